"""The main job: the stages as one tuple, and the only callers of their verbs."""
