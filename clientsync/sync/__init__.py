"""The walk of the data: plan, fetch, stage, validate, load; with or without an orchestrator around it."""
