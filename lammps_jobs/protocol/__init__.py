"""All that the supervisor and the engine, two processes, know of each other."""
