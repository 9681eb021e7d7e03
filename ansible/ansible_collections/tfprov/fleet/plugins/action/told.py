"""Ansible action: run a module of this collection on the host, and take of its answer what such a module says."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.tfprov.fleet.plugins.plugin_utils.told import told


class ActionModule(ActionBase):
    """For the modules that do their whole work on the host: `meta/runtime.yml` names them."""

    def run(self, tmp=None, task_vars=None):
        """The answer of the module."""
        return {**super().run(tmp, task_vars), **told(self._execute_module(task_vars=task_vars))}
