"""A real Kafka broker that asks who is there: TLS by a CA of its own, SCRAM users, and ACLs."""

import datetime
import ipaddress
import os
import secrets
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from movie_recommender.kafka import client_config
from movie_recommender.local import broker, ports, process
from movie_recommender.settings import Settings, load_settings

ADMIN = "admin"
_A_DAY = datetime.timedelta(days=1)


class CertificateAuthority:
    """A CA whose certificate lies in `certificate`, and what it signs.

    Args:
        directory: for the files.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a CA of tests")])
        self.certificate = directory / "ca.pem"
        itself = self._signed(self._name, self._key, x509.BasicConstraints(True, None))
        self.certificate.write_bytes(_pem(itself))

    def issue(self) -> Path:
        """A key and a certificate for loopback, in one PEM file as Kafka reads it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        address = ipaddress.ip_address(ports.LOOPBACK)
        names = x509.SubjectAlternativeName([x509.IPAddress(address)])
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = self._directory / "broker.pem"
        path.touch(mode=0o600)
        path.write_bytes(private + _pem(self._signed(subject, key, names)))
        return path

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _A_DAY,
            not_valid_after=now + _A_DAY,
        )
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class SecureBroker:
    """A broker of one process; a context manager.

    Attributes:
        passwords: of each user, `ADMIN` among them.
    """

    jars: Path
    directory: Path
    users: tuple[str, ...]
    passwords: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.passwords = {user: secrets.token_urlsafe(16) for user in (ADMIN, *self.users)}
        self.authority = CertificateAuthority(self.directory / "tls")
        port = ports.choose(0)
        self._controller = ports.choose(0, taken=frozenset({port}))
        self.servers = f"{ports.LOOPBACK}:{port}"
        self._pidfile = self.directory / "pid"

    def settings(self, user: str, **changes: object) -> Settings:
        """Settings of a process that logs in as `user`."""
        values = {
            "kafka_bootstrap_servers": self.servers,
            "kafka_timeout_s": 15.0,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": user,
            "kafka_sasl_password": self.passwords[user],
            "kafka_ssl_ca_location": self.authority.certificate,
        }
        return load_settings(**values | changes)

    def allow(self, user: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Let `user` do that with what is called `name`."""
        literal, allowed = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        bindings = [
            AclBinding(kind, name, literal, f"User:{user}", "*", operation, allowed)
            for operation in operations
        ]
        admin = AdminClient(client_config(self.settings(ADMIN)))
        for created in admin.create_acls(bindings).values():
            created.result(timeout=20)

    def __enter__(self) -> "SecureBroker":
        broker.install(self.jars)
        config = self.directory / "server.properties"
        values = self._properties()
        config.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self._format(config)
        log = self.directory / broker.LOG
        started = process.start(
            [*self._java("kafka.Kafka"), config],
            pidfile=self._pidfile,
            log=log,
            env=os.environ,
            cwd=self.directory,
        )
        try:
            process.wait_until(self._answers, started, name="Kafka", log=log, timeout_s=60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process.end(self._pidfile, grace_s=5)

    def _answers(self) -> bool:
        admin = AdminClient(client_config(self.settings(ADMIN)))
        try:
            return bool(admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def _format(self, config: Path) -> None:
        users = [
            part
            for user, password in self.passwords.items()
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ]
        command = [*self._java("kafka.tools.StorageTool"), "format", "--standalone"]
        cluster = uuid.uuid4().hex[:22]
        subprocess.run(
            [*command, "-t", cluster, "-c", config, *users], check=True, capture_output=True
        )

    def _java(self, main: str) -> list[str | Path]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", "-Xmx384m", quiet, "-cp", f"{self.jars.resolve()}/*", main]

    def _properties(self) -> dict[str, object]:
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        login = f'username="{ADMIN}" password="{self.passwords[ADMIN]}"'
        controller = f"{ports.LOOPBACK}:{self._controller}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"SASL_SSL://{self.servers},CONTROLLER://{controller}",
            "advertised.listeners": f"SASL_SSL://{self.servers}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "security.inter.broker.protocol": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{scram} {login};",
            # The controller's port is the broker's own: it knows itself by its certificate.
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.authority.issue(),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.certificate,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN=broker",
            "log.dirs": self.directory / "data",
            "offsets.topic.replication.factor": 1,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
        }
