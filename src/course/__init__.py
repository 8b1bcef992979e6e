"""What the course notes need and nobody else: a project on the engine, as a user would write one."""
