"""OpenAPI and AsyncAPI documents, generated from the types of this package.

``python -m django_socket_status.schema`` writes both files of this folder again.
"""
