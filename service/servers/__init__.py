"""Real servers on this machine, for the demo and the tests: Kafka, InfluxDB and Tryton, each one process on 127.0.0.1.

`make servers` gets them (scripts/servers/fetch.sh); nothing here reaches the network beyond this machine.
"""

from service.servers.base import Server, ServerError, ServerMissingError, free_port
from service.servers.influxd import Influxd
from service.servers.kafka import Kafka
from service.servers.tryton import Tryton
from service.servers.where import where

__all__ = ["Influxd", "Kafka", "Server", "ServerError", "ServerMissingError", "Tryton", "free_port", "where"]
