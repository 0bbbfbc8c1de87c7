"""Changes labels of a live connection from code outside its consumer."""

from django_socket_status.tracking.labels import update_labels

__all__ = ["update_labels"]
