"""What Kubernetes takes for kinds that are not its own, as far as the chart uses them; nothing else is let through."""

from __future__ import annotations

from typing import Any


def _object(needed: dict[str, Any], **further: Any) -> dict[str, Any]:
    properties = needed | further
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(needed)}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = _object({"name": TEXT}, labels=LABELS, annotations=LABELS)
SCALE_DOWN = _object(
    {
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        "policies": {
            "type": "array",
            "items": _object({"type": {"enum": ["Pods", "Percent"]}, "value": COUNT, "periodSeconds": COUNT}),
        },
    }
)
# https://keda.sh/docs/latest/reference/scaledobject-spec/ and .../scalers/postgresql/
SCALED_OBJECT = _object(
    {
        "apiVersion": {"const": "keda.sh/v1alpha1"},
        "kind": {"const": "ScaledObject"},
        "metadata": METADATA,
        "spec": _object(
            {
                "scaleTargetRef": _object({"name": TEXT}, kind=TEXT, apiVersion=TEXT, envSourceContainerName=TEXT),
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object(
                        {
                            "type": {"const": "postgresql"},
                            "metadata": _object(
                                # KEDA takes texts only, also for numbers.
                                {"query": TEXT, "targetQueryValue": {"type": "string", "pattern": "^[0-9.]+$"}},
                                connectionFromEnv=TEXT,
                                activationTargetQueryValue=TEXT,
                            ),
                        },
                        metricType={"enum": ["AverageValue", "Value"]},
                    ),
                },
            },
            pollingInterval=COUNT,
            cooldownPeriod=COUNT,
            minReplicaCount=COUNT,
            maxReplicaCount=COUNT,
            fallback=_object({"failureThreshold": COUNT, "replicas": COUNT}),
            advanced=_object(
                {"horizontalPodAutoscalerConfig": _object({"behavior": _object({"scaleDown": SCALE_DOWN})})}
            ),
        ),
    }
)
SERVICE_MONITOR = _object(
    {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": METADATA,
        "spec": _object(
            {
                "selector": _object({"matchLabels": LABELS}),
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object({"port": TEXT}, path=TEXT, interval=TEXT, scheme=TEXT),
                },
            }
        ),
    }
)
SCHEMAS = {"ScaledObject": SCALED_OBJECT, "ServiceMonitor": SERVICE_MONITOR}
