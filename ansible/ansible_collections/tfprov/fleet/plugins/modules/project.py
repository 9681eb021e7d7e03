#!/usr/bin/python
"""Ansible module: the files that a profile consists of, on a host."""

from __future__ import absolute_import, annotations, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: project
short_description: Copy a profile, the files that it names, and its lock to a host
description:
  - Asks C(tfprov files) on the controller what the profile consists of, and writes all of it on the host in one step.
  - Nothing is copied for a shipped profile.
options:
  profile:
    description: Profile on the controller, a path relative to the working folder, or the name of a shipped one.
    type: str
    required: true
  dest:
    description: Folder on the host, made if need be.
    type: path
    required: true
  controller:
    description: The command that starts tfprov on the controller.
    type: list
    elements: str
    default: [tfprov]
author:
  - the authors of tfprov
attributes:
  check_mode:
    description: Says whether something would be written.
    support: full
"""

EXAMPLES = r"""
- name: The profile, what it names, and its lock
  tfprov.fleet.project:
    profile: train.toml
    dest: /srv/profiles
"""

RETURN = r"""
profile:
  description: The profile as C(tfprov.fleet.environment) takes it on the host.
  returned: success
  type: str
"""

import base64
import os
import stat

from ansible.module_utils.basic import AnsibleModule


def main():
    """Run as Ansible runs a module: arguments on standard input, a document on standard output."""
    file = {"path": {"type": "str", "required": True}, "content": {"type": "str", "required": True, "no_log": True}}
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "options": file, "required": True},
        },
        supports_check_mode=True,
    )
    dest = module.params["dest"]
    wanted = {os.path.join(dest, one["path"]): base64.b64decode(one["content"]) for one in module.params["files"]}
    try:
        lacking = [path for path, data in wanted.items() if not is_there(path, data)]
        if not module.check_mode:
            for path in lacking:
                put(path, wanted[path])
    except OSError as error:
        code = "disk-full" if error.errno == 28 else "permission-denied"
        module.fail_json(msg="[%s] `%s`: %s" % (code, error.filename, error.strerror))
    module.exit_json(changed=bool(lacking), dest=dest)


def is_there(path, data):
    """Whether a file has this content, for everyone to read."""
    try:
        with open(path, "rb") as stream:
            return stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o644 and stream.read() == data
    except FileNotFoundError:
        return False


def put(path, data):
    """Write a file beside its place, then move it there: a broken connection leaves no half file."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".part", "wb") as stream:
        stream.write(data)
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
