{{- define "taketwo.name" -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "taketwo.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "taketwo.labels" -}}
{{ include "taketwo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "taketwo.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "taketwo.keySecret" -}}
{{ default (printf "%s-admin" (include "taketwo.name" .)) .Values.adminKey.existingSecret }}
{{- end -}}

{{- define "taketwo.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* Where the store is, and what else was set. */ -}}
{{- define "taketwo.env" -}}
- name: TAKETWO_STORE
{{- if .Values.store.existingSecret }}
  valueFrom: {secretKeyRef: {name: {{ .Values.store.existingSecret | quote }}, key: url}}
{{- else }}
  value: sqlite:////data/taketwo.sqlite3{{ with .Values.store.blobs }}?blobs={{ . }}{{ end }}
{{- end }}
{{- with .Values.agentHosts }}
- name: TAKETWO_AGENT_HOSTS
  value: {{ . | quote }}
{{- end }}
{{- with .Values.callPrices }}
- name: TAKETWO_CALL_PRICES
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "taketwo.place" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
