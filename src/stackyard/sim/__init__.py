"""Requests through time: what a service's latencies are at a load, and what load its objectives allow."""
