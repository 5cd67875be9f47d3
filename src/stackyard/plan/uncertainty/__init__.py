"""What is not known: distributions of a scenario's numbers, the fan, sensitivities, and a robust first step."""
