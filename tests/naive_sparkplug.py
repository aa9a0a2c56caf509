"""A slow, obvious reader of Sparkplug B messages, by the protobuf library's objects; twin of `SparkplugDecoder`."""

from __future__ import annotations

import math
import struct
from fnmatch import fnmatchcase

from google.protobuf.message import DecodeError

from andon.readings import Reason, Status
from andon.units import conversion
from sources.decode.sparkplug_proto import Payload
from sources.decode.stamps import END_MS, FIRST_MS

INTS = {1: 8, 2: 16, 3: 32, 4: 64}


class NaiveSparkplug:
    """Rows (offset, time_ns, path, value, status), dead letters (offset, line, reason, path) and rebirths."""

    def __init__(self, plant, shard):
        self.plant, self.shard = plant, shard
        self.nodes = {}
        self.rows, self.dead, self.rebirths = [], [], []

    def take(self, message):
        topic, zero, body = message.body.partition(b"\0")
        parts = topic.decode().split("/")[1:]
        if len(message.body) > self.plant.config.sources.max_message_bytes:
            return self.refuse(message, Reason.too_large)
        if not zero:
            return self.refuse(message, Reason.garbled)
        if parts[0] == "STATE" or parts[1] in ("NCMD", "DCMD"):
            return None
        kind, key, device = parts[1], (parts[0], parts[2]), "/".join(parts[3:])
        node = self.nodes.setdefault(
            key, {"births": {}, "next": None, "bd": None, "asked": False, "lag": 0, "key": key}
        )
        try:
            payload = Payload.FromString(body)
        except DecodeError:
            if kind[1:] == "DATA" and device not in node["births"]:
                self.ask(node)
                return self.refuse(message, Reason.no_birth)
            return self.refuse(message, Reason.garbled)
        return {"BIRTH": self.birth, "DATA": self.data, "DEATH": self.death}[kind[1:]](message, node, device, payload)

    def refuse(self, message, reason):
        self.dead.append((message.offset, 0, reason, ""))

    def ask(self, node):
        if not node["asked"]:
            node["asked"] = True
            self.rebirths.append(node["key"])

    def follow(self, node, payload):
        if not payload.HasField("seq"):
            return
        if node["next"] is not None and payload.seq not in (node["next"], (node["next"] - 1) % 256):
            self.ask(node)
        node["next"] = (payload.seq + 1) % 256

    def birth(self, message, node, device, payload):
        if device and not node["births"]:
            self.ask(node)
            return self.refuse(message, Reason.no_birth)
        if not device:
            session = [one.int_value or one.long_value for one in payload.metrics if one.name == "bdSeq"]
            node.update(births={}, next=None, asked=False, bd=session[0] if session else None)
        aliases, names, taken = {}, {}, set()
        for one in payload.metrics:
            unit = None
            for name, value in zip(one.properties.keys, one.properties.values, strict=False):
                if name == "engUnit":
                    unit = value.string_value
            meant = self.meant(node["key"], device, one.name, unit, taken)
            if one.HasField("alias"):
                aliases.setdefault(one.alias, (meant, one.datatype))
            names.setdefault(one.name, (meant, one.datatype))
        node["births"][device] = aliases, names
        return self.data(message, node, device, payload)

    def meant(self, key, device, name, unit, taken):
        config = self.plant.config.sources.sparkplug
        if any(fnmatchcase(name, pattern) for pattern in config.ignore):
            return "ignored"
        *folders, tag = name.lower().split("/")
        asset = "/".join(part for part in (key[0], key[1], device, *folders) if part).lower()
        spec = self.plant.series.get((asset, tag))
        if spec is None or self.plant.shard_of(asset) != self.shard:
            foreign = asset in self.plant.assets and self.plant.shard_of(asset) != self.shard
            return Reason.wrong_partition if foreign else Reason.unknown_series
        if spec.path in taken:
            return Reason.unknown_series
        taken.add(spec.path)
        if unit in (None, spec.unit):
            return spec, False, None
        change = conversion(unit, spec.unit) if spec.kind in ("number", "counter") else None
        return spec, change is None, change

    def data(self, message, node, device, payload):
        if device not in node["births"]:
            self.ask(node)
            return self.refuse(message, Reason.no_birth)
        self.follow(node, payload)
        if payload.HasField("timestamp") and FIRST_MS <= payload.timestamp < END_MS:
            node["lag"] = payload.timestamp * 10**6 - message.received_ns
        aliases, names = node["births"][device]
        for line, one in enumerate(payload.metrics):
            found = aliases.get(one.alias) if one.HasField("alias") else names.get(one.name) if one.name else None
            reason, row = self.metric(message, payload, one, found)
            if reason == "ignored":
                continue
            if reason:
                spec = found[0][0] if found and isinstance(found[0], tuple) and reason != Reason.missing_field else None
                self.dead.append((message.offset, line, reason, spec.path if spec else ""))
            else:
                self.rows.append((message.offset, *row))
        return None

    def metric(self, message, payload, one, found):
        if found and found[0] == "ignored":
            return "ignored", None
        ms = (
            one.timestamp if one.HasField("timestamp") else payload.timestamp if payload.HasField("timestamp") else None
        )
        field = one.WhichOneof("value")
        named = one.HasField("alias") or one.HasField("name")
        if not named or ms is None or (field is None and not one.is_null):
            return Reason.missing_field, None
        if not found:
            return Reason.unknown_series, None
        meant, datatype = found
        if not isinstance(meant, tuple):
            return meant, None
        spec, other_unit, change = meant
        if not FIRST_MS <= ms < END_MS:
            return Reason.stamp_unreadable, None
        if ms * 10**6 > message.received_ns + self.plant.config.time.future_s * 10**9:
            return Reason.stamp_in_future, None
        if other_unit:
            return Reason.unit_mismatch, None
        reason, value = (None, math.nan) if one.is_null else self.value(one, field, one.datatype or datatype, spec)
        if reason:
            return reason, None
        value = change(value) if change else value
        if math.isinf(value):
            return Reason.wrong_type, None
        status = self.quality(one)
        if not spec.low <= value <= spec.high:
            status = Status.BAD
        return None, (ms * 10**6, spec.path, value, status)

    @staticmethod
    def value(one, field, datatype, spec):
        value = getattr(one, field)
        if field in ("int_value", "long_value"):
            if datatype in INTS:
                bits = INTS[datatype]
                if datatype == 4 and field == "int_value":
                    bits = 32
                width = 64 if bits == 64 else 32
                if datatype in (1, 2) and value < 1 << bits:
                    width = bits
                elif datatype in (1, 2) and not 2**32 - 2 ** (bits - 1) <= value % 2**32 < 2**32:
                    return Reason.wrong_type, None
                value %= 1 << width
                value -= (1 << width) if value >= 1 << (width - 1) else 0
            elif datatype not in (0, 5, 6, 7, 8, 13) or value >= 1 << {5: 8, 6: 16}.get(datatype, 64):
                return Reason.wrong_type, None
        elif field in ("float_value", "double_value"):
            if datatype not in (0, 9, 10):
                return Reason.wrong_type, None
            if math.isnan(value):
                return None, math.nan
        elif field == "boolean_value":
            ok = datatype in (0, 11) and spec.kind == "boolean"
            return (None, float(value)) if ok else (Reason.wrong_type, None)
        elif field == "string_value" and datatype in (0, 12, 14, 15) and spec.kind == "state":
            found = value in spec.states
            return (None, float(spec.states.index(value))) if found else (Reason.unknown_state, None)
        else:
            return Reason.wrong_type, None
        value = float(value)
        if math.isinf(value) or (spec.kind == "boolean" and value not in (0, 1)):
            return Reason.wrong_type, None
        if spec.kind == "state" and not (0 <= value < len(spec.states) and value.is_integer()):
            return Reason.unknown_state, None
        return None, value

    @staticmethod
    def quality(one):
        keys = list(one.properties.keys)
        if "Quality" not in keys:
            return Status.GOOD
        code = struct.unpack("<i", struct.pack("<I", one.properties.values[keys.index("Quality")].int_value))[0]
        if code == 500:
            return Status.UNCERTAIN
        code &= 0xFFFFFFFF
        if code > 255:
            return Status(min(code >> 30, 2))
        return Status.GOOD if code >= 192 else Status.UNCERTAIN if code >= 64 else Status.BAD

    def death(self, message, node, device, payload):
        time_ns = message.received_ns + node["lag"]
        if device:
            self.follow(node, payload)
            if FIRST_MS <= payload.timestamp < END_MS:
                time_ns = payload.timestamp * 10**6
            gone = [node["births"].pop(device)] if device in node["births"] else []
        else:
            session = [one.int_value or one.long_value for one in payload.metrics if one.name == "bdSeq"]
            if session and node["bd"] is not None and session[0] != node["bd"]:
                return
            gone = list(node["births"].values())
            node.update(births={}, next=None)
        for _, names in gone:
            for meant, _ in names.values():
                if isinstance(meant, tuple) and not meant[1]:  # of another unit it has no value to take
                    self.rows.append((message.offset, time_ns, meant[0].path, math.nan, Status.BAD))
