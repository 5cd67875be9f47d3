"""The verbs by subject; `stackyard.api` is the door to all of them."""
