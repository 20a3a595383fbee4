"""Archives that a course uploads to a grading platform, made from a course's own files."""
