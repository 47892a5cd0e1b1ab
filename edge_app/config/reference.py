"""What the schema says, for people (`docs/configuration.md`) and for editors (JSON schema, draft-07)."""
import attrs
import yaml

from edge_app.config.schema import Config, settings
from edge_app.config.types import ListOf, Section

INTRODUCTION = '''\
# Configuration

<!-- Written by `edge-app config --reference`; change `edge_app/config/schema.py` instead. -->

One file, YAML or JSON, in the order of the data path: cameras give frames, the engine finds detections in them,
outputs carry the pictures away and sinks the results.

```yaml
cameras:
  - {name: gate, uri: "rtsp://10.0.0.21/Streaming/Channels/102", user: admin, password: "${CAMERA_PASSWORD}"}
  - {name: yard, uri: "rtsp://10.0.0.22/live", user: admin, password: "${CAMERA_PASSWORD}", max_fps: 10}
engine:  {score: 0.4}
outputs: [{uri: "rtsp://127.0.0.1:8554/mosaic", size: [1280, 720], fps: 25}]
sinks:   [{uri: "file://events.jsonl"}]
web:     {port: 8080}
```

Only `cameras` must be there; the smallest file names one camera and its URI. Paths are relative to the file.

| command | what it does |
|---|---|
| `edge-app check site.yaml` | names every mistake at once, with its line; starts nothing |
| `edge-app config site.yaml` | every setting as it will be used, defaults too; secrets as `***` |
| `edge-app config site.yaml --diff` | only what differs from the defaults |
| `edge-app config --schema` | a JSON schema, with which editors complete and check the file |

A mistake is said as `cameras[1].uri: unknown scheme 'rstp', did you mean 'rtsp'? (site.yaml:4)`, and the exit code is
2. An unknown key is a mistake, and so is a key given twice.

Editors that know the YAML language server complete the file when its first line is
`# yaml-language-server: $schema=edge-app.schema.json`, written by `edge-app config --schema > edge-app.schema.json`.

## Changing it while it runs

`edge-app run site.yaml` looks at the file, and at the `credentials_file`, once a second and takes a changed one over; SIGHUP
(`systemctl reload edge-app`) asks for it at once. A file with a mistake is refused whole and said so, and the one before stays in use.

| what changes | what notices |
|---|---|
| a camera comes or goes | it alone; up to 16 more than at the start, and removed ones make room after a minute |
| `enabled` | that camera; its counters go on |
| `max_fps`, `min_fps`, `priority`; `score`, `iou`, `classes` of the engine | nothing is started anew |
| any other setting of a camera | that camera's connection; with another `size` its counters, too, begin anew |
| outputs, display, sinks, web, tls | the process concerned starts anew: viewers connect again |
| `model` and what else the engine is made of | the engine starts anew, the pictures go on |
| `memory_mb` | rings made from then on |

## Secrets

A text may hold `${NAME}` or `${NAME:default}`. NAME is looked up in this order:

1. the environment;
2. the file `credentials_file` names: lines of `NAME=value`, owned by the user that runs edge-app or by root,
   mode 0600;
3. the file `$CREDENTIALS_DIRECTORY/NAME`, which systemd 247 and later provide (`LoadCredential=`);
4. the file `/run/secrets/NAME`, which Docker provides.

A NAME found nowhere and without default is a mistake. `$${` is a plain `${`. Passwords never reach a log, a process's
arguments, a metric or a dump. A password written into the file itself works; when others can read the file, a warning
says so. A user and a password inside a URI are taken out of it; there `@ : / ? #` in a password are written
`%40 %3A %2F %3F %23`.

## YAML to mind

Values that hold `: ` or ` #`, end with `:` or start with one of `& * ! % @` belong in quotes: `uri: "window:"`.
Inside `{...}` so does `"${NAME}"`. `on`, `off`, `yes`, `no` are true and false. Settings that several cameras share
can be written once: `- &gate {name: gate, ...}` and `- {<<: *gate, name: yard, ...}`.
'''

_PLACEHOLDER = {'type': 'string', 'pattern': '\\$\\{'}


def reference():
    """The Markdown of `docs/configuration.md`."""
    parts = [INTRODUCTION, _chapter('The file', Config)]
    for name, field in settings(Config).items():
        kind = field.metadata['kind']
        if isinstance(kind, (Section, ListOf)):
            title = '%s: each' % name if isinstance(kind, ListOf) else name
            parts.append(_chapter(title, kind.cls))
    return '\n'.join(parts)


def json_schema():
    """The JSON schema (draft-07) of a configuration, as plain values."""
    schema = {'$schema': 'http://json-schema.org/draft-07/schema#', 'title': 'edge-app configuration'}
    schema.update(_object(Config))
    schema['properties']['cameras']['minItems'] = 1
    return schema


def _chapter(title, cls):
    rows = ['| %s |' % ' | '.join(_row(name, field)) for name, field in settings(cls).items()]
    head = ['## %s' % title, '', ' '.join(cls.__doc__.split()), '',
            '| setting | value | default | meaning |', '|---|---|---|---|']
    return '\n'.join(head + rows) + '\n'


def _row(name, field):
    cells = '`%s`' % name, field.metadata['kind'].words, _default(field), field.metadata['means']
    return [cell.replace('|', '\\|') for cell in cells]


def _default(field):
    if field.default is attrs.NOTHING:
        return 'must be given'
    if field.default is None:
        return 'not set'
    if isinstance(field.metadata['kind'], Section):
        return 'see below'
    if isinstance(field.metadata['kind'], ListOf):
        return ', '.join('`%s`' % item.uri for item in field.default) or 'none'
    return '`%s`' % yaml.safe_dump(_plain(field.default), default_flow_style=True).split('\n')[0]


def _plain(default):
    return list(default) if isinstance(default, tuple) else default


def _object(cls):
    known = settings(cls)
    return {'type': 'object', 'description': ' '.join(cls.__doc__.split()), 'additionalProperties': False,
            'properties': {name: _property(field) for name, field in known.items()},
            'required': [name for name, field in known.items() if field.default is attrs.NOTHING]}


def _property(field):
    schema = dict(_kind(field))
    schema['description'] = field.metadata['means']
    if field.default not in (attrs.NOTHING, None) and not isinstance(field.metadata['kind'], (Section, ListOf)):
        schema['default'] = _plain(field.default)
    return schema


def _kind(field):
    kind = field.metadata['kind']
    if isinstance(kind, ListOf):
        return {'type': 'array', 'items': _object(kind.cls)}
    if isinstance(kind, Section):
        whole = _object(kind.cls)
        return {'anyOf': [whole, {'type': ['boolean', 'null'] if 'enabled' in whole['properties'] else 'null'}]}
    shapes = [kind.schema()]
    if shapes[0] != {'type': 'string'}:
        shapes.append(_PLACEHOLDER)
    if field.default is None:
        shapes.append({'type': 'null'})
    return {'anyOf': shapes} if len(shapes) > 1 else shapes[0]
