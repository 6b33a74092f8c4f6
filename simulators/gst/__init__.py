"""A stand-in for the GST portal behind a service provider.

The population is a pure function of a seed, a day and the actions of the operator: the same question on the same
day always gets the same answer.
"""
