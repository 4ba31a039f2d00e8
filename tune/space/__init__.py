"""The search space, and the samplers that propose from it."""
