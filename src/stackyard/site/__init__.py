"""Sites: phases, climate, cooling, PUE, water, carbon and cost."""
