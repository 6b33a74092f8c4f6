"""The simulated shop and the simulated accounting together."""
