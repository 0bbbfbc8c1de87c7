from __future__ import annotations

from unittest import mock

from django.apps import apps

from django_socket_status import checks


def test_app_that_is_ready_has_registered_every_check():
    with mock.patch("django_socket_status.apps.register") as register:
        apps.get_app_config("django_socket_status").ready()
    registered = [call.args[0] for call in register.call_args_list]
    assert registered == [*checks.CHECKS, *checks.DEPLOYMENT_CHECKS]
    of_a_deployment = [call.args[0] for call in register.call_args_list if call.kwargs]
    assert of_a_deployment == [*checks.DEPLOYMENT_CHECKS]
