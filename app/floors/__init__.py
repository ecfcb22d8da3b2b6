"""Floors: the least number of pods of each service in the hours of announced promotions and of a busy forecast.

A floor is raised before a sale begins, so that its first minute meets pods that run already. docs/decisions/scaling.md
says why; the autoscalers alone hold without any floor.
"""
