"""The figures of the overview: rows and sentences, made of what the service answers."""
