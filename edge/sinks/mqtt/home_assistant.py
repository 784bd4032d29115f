"""Announces the device to Home Assistant: what it publishes appears there by itself.

Source: Home Assistant, MQTT integration, "MQTT discovery" and "Birth and last will messages".
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.sinks.mqtt.publication import Publication

PREFIX = "homeassistant"
BIRTH_TOPIC = f"{PREFIX}/status"
"""Where Home Assistant says `online` after it has started: everything is then announced again."""

BIRTH = b"online"


def announcements(device: str, version: str) -> list[Publication]:
    """Return what tells Home Assistant of a device, retained.

    Parameters
    ----------
    device : str
        Device id.
    version : str
        Of this program.
    """
    base = f"ecg/v1/{device}"
    entities: list[tuple[str, str, dict[str, Any]]] = [
        (
            "sensor",
            "heart_rate",
            {
                "name": "Heart rate",
                "state_topic": f"{base}/vitals",
                "value_template": "{{ value_json.hr_bpm }}",
                "unit_of_measurement": "bpm",
                "state_class": "measurement",
                "icon": "mdi:heart-pulse",
                # A rate that is not renewed is none.
                "expire_after": 10,
            },
        ),
        (
            "binary_sensor",
            "alert",
            {
                "name": "Alert",
                "state_topic": f"{base}/alerts/active",
                "value_template": "{{ 'ON' if value_json.alerts else 'OFF' }}",
                "json_attributes_topic": f"{base}/alerts/active",
                "device_class": "problem",
            },
        ),
        (
            "binary_sensor",
            "lead_off",
            {
                "name": "Lead off",
                "state_topic": f"{base}/vitals",
                "value_template": "{{ 'ON' if value_json.lead_off else 'OFF' }}",
                "device_class": "problem",
                "entity_category": "diagnostic",
            },
        ),
        (
            "binary_sensor",
            "degraded",
            {
                "name": "Degraded",
                "state_topic": f"{base}/status",
                "value_template": "{{ 'ON' if value_json.state == 'degraded' else 'OFF' }}",
                "json_attributes_topic": f"{base}/status",
                "json_attributes_template": "{{ {'reason': value_json.reason} | tojson }}",
                "device_class": "problem",
                "entity_category": "diagnostic",
            },
        ),
        (
            "sensor",
            "state",
            {
                "name": "State",
                "state_topic": f"{base}/status",
                "value_template": "{{ value_json.state }}",
                "json_attributes_topic": f"{base}/status",
                "entity_category": "diagnostic",
            },
        ),
    ]
    return [_announcement(device, version, *entity) for entity in entities]


def _announcement(device: str, version: str, component: str, name: str, says: dict[str, Any]) -> Publication:
    config = says | {
        "unique_id": f"ecg_edge_{device}_{name}",
        "device": {"identifiers": [f"ecg_edge_{device}"], "name": f"ECG {device}", "sw_version": version},
        "origin": {"name": "ecg-edge", "sw_version": version},
    }
    if name != "state":  # which itself says that the device is away
        config["availability"] = {
            "topic": f"ecg/v1/{device}/status",
            "value_template": "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
        }
    # The id is a level of its own: an access list can then grant a device its own announcements and nobody else's.
    topic = f"{PREFIX}/{component}/{device}/ecg_edge_{name}/config"
    return Publication(topic=topic, payload=msgspec.json.encode(config), qos=1, retain=True)
