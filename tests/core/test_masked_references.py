"""What only refers to a secret, or is behind one, stays: people approve what they can read."""

import json

import pytest

from neo_mcp.core.masking import masked
from neo_mcp.core.members import mask_members
from neo_mcp.core.sanitize import clean

REFERENCES = [
    "env:\n- name: A\n  valueFrom:\n    secretKeyRef:\n      name: db\n      key: password\n",
    "env:\n  - name: A\n    valueFrom: {secretKeyRef: {name: db, key: password}}\n",
    'env:\n  - name: A\n    valueFrom:\n      secretKeyRef: {name: "db", key: "password"}\n',
    "env:\n  - name: NS\n    valueFrom:\n      fieldRef:\n        fieldPath: metadata.namespace\n",
    "volumes:\n- name: a\n  secret:\n    secretName: foo\n",
    (
        "volumes:\n- name: a\n  secret:\n    defaultMode: 420\n    items:\n    - key: a\n"
        "      path: a\n    secretName: b\n"
    ),
    "sources:\n- secret:\n    name: foo\n    items:\n    - key: u\n      path: u\n",
    "envFrom:\n- secretRef:\n    name: foo\nimagePullSecrets:\n- name: regcred\n",
    'env: [{ name: "A", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],',
    'volumes: [{ name: "a", secret: { secretName: secret.metadata.name } }],',
    (
        'env {\n  name = "A"\n  value_from {\n    secret_key_ref {\n      name = "db"\n'
        '      key  = "p"\n    }\n  }\n}'
    ),
    (
        'Env: corev1.EnvVarArray{\n\t{\n\t\tName: "A",\n\t\tValueFrom: &corev1.Source{\n'
        "\t\t\tSecretKeyRef: x,\n\t\t},\n\t},\n},"
    ),
]


@pytest.mark.parametrize("text", REFERENCES)
@pytest.mark.parametrize("margin", ["", "+", "  "])
def test_a_reference_to_a_secret_stays(text: str, margin: str) -> None:
    text = "".join(margin + line for line in text.splitlines(keepends=True))
    assert clean(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]},
        {"volumes": [{"name": "a", "secret": {"secretName": "b", "items": [{"key": "a", "path": "b"}]}}]},
    ],
)
def test_a_reference_to_a_secret_stays_in_a_structure(value: object) -> None:
    assert masked(value) == value
    text = json.dumps(value)
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "env:\n- name: A\n  valueFrom:\n    secretKeyRef:\n      name: db\n- name: B\n  value: hunter2\n",
        "env:\n- valueFrom:\n    secretKeyRef:\n      name: db\n  value: hunter2\n",
        "env:\n  valueFrom: hunter2\n",
        '{"env": [{"valueFrom": {"secretKeyRef": {}}, "value": "hunter2"}, "hunter2"]}',
        '{"secret": {"secretName": "a", "value": "hunter2"}}',
    ],
)
def test_a_value_beside_a_reference_does_not_stay(text: str) -> None:
    assert "hunter2" not in clean(text)


@pytest.mark.parametrize(
    "unit", ["valueFrom: ", "- name: A\n  ", "secret:\n  items:\n", "valueFrom {Ref", "name=A "]
)
def test_a_hostile_text_of_references_is_read_through(unit: str) -> None:
    for before in ["", "env:\n", "env: [{", "secret: "]:
        assert mask_members(before + unit * (300_000 // len(unit))) is not None
