"""A Confluent Schema Registry, asked through confluent-kafka's own client."""

from __future__ import annotations

from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from andon.config.registry import SchemaRegistry
from andon.errors import ConfigError
from andon.secrets import read_secret
from sources.registry_files import Schema
from sources.registry_gate import RegistryAwayError

PASSWORD, TOKEN = "ANDON_REGISTRY_PASSWORD", "ANDON_REGISTRY_TOKEN"
MOST_REFERENCES = 200
_NOT_FOUND = 404
_NO_SUCH = frozenset({40401, 40402, 40403})  # subject, version, schema


class Registry:
    """Asks for schemas. Opens no connection before.

    Each question has a client of its own: the library's gives a schema again in the form in which it was asked for
    first, and Protobuf is asked for twice. Raises ConfigError where a secret that is configured cannot be read.
    """

    def __init__(self, settings: SchemaRegistry) -> None:
        self._settings: dict[str, Any] = {
            "url": settings.url, "timeout": settings.timeout_s, "max.retries": 0, "cache.capacity": MOST_REFERENCES,
        }  # fmt: skip
        where = "sources.schema_registry"
        if settings.user is not None:
            password = read_secret(PASSWORD, settings.password_file, f"{where}.password_file")
            if password is None:
                raise ConfigError("secret.missing", where=f"{where}.password_file", variable=PASSWORD)
            self._settings["basic.auth.user.info"] = f"{settings.user}:{password.reveal()}"
        elif (token := read_secret(TOKEN, settings.token_file, f"{where}.token_file")) is not None:
            self._settings |= {
                "bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": token.reveal(),
                "bearer.auth.logical.cluster": "",
            }  # fmt: skip
        if settings.ca_file is not None:
            self._settings["ssl.ca.location"] = settings.ca_file

    def __call__(self, number: int) -> Schema | None:
        """The schema with this id and all it names; None when the registry says that there is none.

        Waits, timeout_s an answer at most. Raises RegistryAwayError.
        """
        try:
            found = self._schema(number, None)
            serialized = "serialized" if found.schema_type == "PROTOBUF" else None
            if serialized:
                found = self._schema(number, serialized)
            references: dict[str, str] = {}
            self._collect(found, serialized, references)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND and error.error_code in _NO_SUCH:
                return None
            raise RegistryAwayError(f"HTTP {error.http_status_code}: {error.error_message}"[:300]) from None
        except RegistryAwayError:
            raise
        except Exception as error:  # noqa: BLE001 - the library hands on what its HTTP client and its parser raise
            raise RegistryAwayError(f"{type(error).__name__}: {error}"[:300]) from None
        return Schema(number, str(found.schema_type), str(found.schema_str), tuple(references.items()))

    def _schema(self, number: int, form: str | None) -> Any:
        found = SchemaRegistryClient(self._settings).get_schema(number, fmt=form)
        if not isinstance(found.schema_str, str):
            raise RegistryAwayError("an answer without a schema")
        return found

    def _collect(self, schema: Any, form: str | None, found: dict[str, str]) -> None:
        """What a schema names, by name; each behind those it names itself."""
        for reference in schema.references or ():
            if reference.name in found:
                continue
            if len(found) >= MOST_REFERENCES:
                raise RegistryAwayError(f"more than {MOST_REFERENCES} references")
            client = SchemaRegistryClient(self._settings)
            inner = client.get_version(reference.subject, reference.version, deleted=True, fmt=form).schema
            self._collect(inner, form, found)
            found[str(reference.name)] = str(inner.schema_str)
