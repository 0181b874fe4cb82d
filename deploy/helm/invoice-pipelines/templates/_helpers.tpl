{{- define "ip.name" -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{- define "ip.selector" -}}
app.kubernetes.io/name: invoice-pipelines
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ip.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "ip.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "ip.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{/* How many processes a group of workers has at most. Call with (list . "bulk"). */}}
{{- define "ip.processes" -}}
{{- $group := index (index . 0).Values.workers (index . 1) -}}
{{- mul $group.processes (ternary $group.keda.maxReplicas $group.replicas $group.keda.enabled) -}}
{{- end -}}

{{/* Runs that may work at the same time: as many as there are processes, and where those come and go, at most. */}}
{{- define "ip.runs" -}}
{{- if .Values.podForEachRun.enabled -}}
{{- .Values.podForEachRun.most -}}
{{- else -}}
{{- max 1 (add (include "ip.processes" (list . "express")) (include "ip.processes" (list . "bulk"))) -}}
{{- end -}}
{{- end -}}

{{- define "ip.runsInBulk" -}}
{{- $bulk := ternary .Values.podForEachRun.most 0 .Values.podForEachRun.enabled -}}
{{- range $name, $group := .Values.workers -}}
{{- if has "bulk" $group.queues -}}{{- $bulk = add $bulk (include "ip.processes" (list $ $name)) -}}{{- end -}}
{{- end -}}
{{- max 1 (min $bulk (max 1 (sub (include "ip.runs" . | int) 1))) -}}
{{- end -}}

{{/* The variables that are no secret, as a map of texts. */}}
{{- define "ip.settings" -}}
DAGSTER_HOME: /etc/invoice-pipelines
{{- range $name, $place := .Values.storage }}
INVOICE_PIPELINES_{{ upper $name }}: {{ required (printf "storage.%s is needed: s3://bucket/path or gs://bucket/path" $name) $place | quote }}
{{- end }}
INVOICE_PIPELINES_RUN_TIME_BOX_SECONDS: {{ .Values.timeBoxSeconds | toString | quote }}
INVOICE_PIPELINES_SWEEPS_AT_ONCE: {{ include "ip.runsInBulk" . | quote }}
INVOICE_PIPELINES_DAGSTER_URL: {{ .Values.dagster.url | quote }}
INVOICE_PIPELINES_LOG_FORMAT: json
{{- with .Values.web.url }}
INVOICE_PIPELINES_WEB_URL: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "ip.pod" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . | quote }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "ip.container" -}}
image: {{ include "ip.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "ip.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "ip.name" . }}-settings
  - secretRef:
      name: {{ .Values.secrets.application | quote }}
{{- end -}}

{{- define "ip.mounts" -}}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: dagster
    mountPath: /etc/invoice-pipelines
    readOnly: true
{{- end -}}

{{- define "ip.volumes" -}}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: {{ .Values.temporarySizeLimit }}
  - name: dagster
    configMap:
      name: {{ include "ip.name" . }}-dagster
{{- end -}}

{{/* Another pod begins where what it read when it began has changed. */}}
{{- define "ip.checksum" -}}
checksum/settings: {{ include (print .Template.BasePath "/configuration.yaml") . | sha256sum }}
{{- end -}}

{{/* Spreads pods over machines where that is possible. Call with (list . "web"). */}}
{{- define "ip.placement" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}{{- $values := index . 2 -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "ip.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
