{{- define "image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "labels" -}}
app.kubernetes.io/name: movie-recommender
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: movie-recommender
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- /* What every pod of ours has in common: who it is, and what it may not do. */}}
{{- define "pod" -}}
serviceAccountName: movie-recommender-{{ .part }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 50000
  runAsGroup: 0
  fsGroup: 0
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "container" -}}
image: {{ include "image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* As whom it logs in to the chart's MLflow; to another server, as the settings say. */}}
{{- define "mlflowUser" -}}
{{- if .root.Values.mlflow.enabled -}}
- {name: MLFLOW_TRACKING_USERNAME, value: {{ .user }}}
- name: MLFLOW_TRACKING_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.mlflow.usersSecretName }}
      key: MLFLOW_{{ upper .user }}_PASSWORD
{{- end }}
{{- end }}

{{- define "dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: movie-recommender-{{ .part }}
  labels: {{- include "labels" . | nindent 4 }}
  {{- with .values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .values.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .values.tlsSecretName }}
  tls:
    - secretName: {{ . }}
      hosts: [{{ $.values.host }}]
  {{- end }}
  rules:
    - host: {{ .values.host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: movie-recommender-{{ .part }}
                port: {name: http}
{{- end }}
