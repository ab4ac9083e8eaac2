{{/* What names begin with. Short enough for "-receiver-metrics" after it in the name of a Service. */}}
{{- define "cloudinary-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $name = .Release.Name -}}
{{- else -}}
{{- $name = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- $name | trunc 46 | trimSuffix "-" -}}
{{- end -}}

{{/* The programs that are installed, separated by spaces. */}}
{{- define "cloudinary-operator.programs" -}}
manager{{ if .Values.receiver.enabled }} receiver{{ end }}
{{- end -}}

{{/* What Pods are found by: root, component. As in config/, so that Helm can take over what kubectl installed: selectors cannot be changed. */}}
{{- define "cloudinary-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object: root, and component where it is one program's. */}}
{{- define "cloudinary-operator.labels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/part-of: cloudinary-operator
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
What is under metadata: root, name (without the full name before it) or wholeName, component where it is one program's, and wide where it
is in no namespace, unless all is in one. More labels and annotations, as maps.
*/}}
{{- define "cloudinary-operator.metadata" -}}
{{- $prefix := include "cloudinary-operator.fullname" .root -}}
name: {{ .wholeName | default (list $prefix .name | compact | join "-") }}
{{- if or (not .wide) .root.Values.namespaced }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "cloudinary-operator.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A program's service account: root, program. */}}
{{- define "cloudinary-operator.serviceAccountName" -}}
{{- $default := printf "%s-%s" (include "cloudinary-operator.fullname" .root) .program -}}
{{- (index .root.Values .program).serviceAccount.name | default $default -}}
{{- end -}}

{{/* How the name of a manager's service account ends, by which the policy for Secrets knows it: config/rbac/secret_policy.yaml. */}}
{{- define "cloudinary-operator.managerAccountEnding" -}}
cloudinary-operator-manager
{{- end -}}

{{/* What stands before Role and RoleBinding where a right is cluster-wide. */}}
{{- define "cloudinary-operator.wide" -}}
{{- if not .Values.namespaced }}Cluster{{ end -}}
{{- end -}}

{{/*
Binds a role to a program: root, program, name, role where it has another name, and wide for a ClusterRole. With namespace that is
granted in this namespace alone.
*/}}
{{- define "cloudinary-operator.binding" -}}
{{- $component := eq .program "receiver" | ternary "receiver" "" -}}
{{- $wide := and .wide (include "cloudinary-operator.wide" .root) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if not .namespace }}{{ $wide }}{{ end }}RoleBinding
metadata:
  {{- include "cloudinary-operator.metadata" (dict "root" .root "name" .name "component" $component "namespace" .namespace "wide" (and $wide (not .namespace))) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $wide }}Role
  name: {{ include "cloudinary-operator.fullname" .root }}-{{ .role | default .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "cloudinary-operator.serviceAccountName" . }}
  namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Binds a program's main role, which has its name, wherever the program works: root, program. */}}
{{- define "cloudinary-operator.mainBindings" -}}
{{- $binding := dict "root" .root "program" .program "name" .program "wide" true }}
{{- range $namespace := .root.Values.watchNamespaces | default (list "") }}
---
{{ include "cloudinary-operator.binding" (set $binding "namespace" $namespace) }}
{{- end }}
{{- end -}}

{{- define "cloudinary-operator.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* Whether metrics are served over https: "true" or nothing. */}}
{{- define "cloudinary-operator.metricsSecure" -}}
{{- if and .Values.metrics.secure (not .Values.namespaced) }}true{{ end -}}
{{- end -}}

{{/* The flags that both programs know: root, program. */}}
{{- define "cloudinary-operator.args" -}}
{{- if .root.Values.namespaced }}
- --watch-namespaces=$(POD_NAMESPACE)
{{- else if .root.Values.watchNamespaces }}
- --watch-namespaces={{ join "," .root.Values.watchNamespaces }}
{{- end }}
{{- if not (include "cloudinary-operator.metricsSecure" .root) }}
- --metrics-secure=false
{{- end }}
{{- with index .root.Values .program }}
{{- with .logLevel }}
- --zap-log-level={{ . }}
{{- end }}
{{- with .extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* GOMEMLIMIT: nine tenths of a container's memory limit, so that garbage is collected in earnest before the limit ends the process. */}}
{{- define "cloudinary-operator.goMemLimit" -}}
{{- $limit := dig "limits" "memory" "" (default dict .resources) | toString -}}
{{- $mebibytes := regexFind "^[0-9]+" $limit | int -}}
{{- if hasSuffix "Gi" $limit }}{{ $mebibytes = mul 1024 $mebibytes }}{{ end -}}
{{- if regexMatch "^[0-9]+[GM]i$" $limit }}
- name: GOMEMLIMIT
  value: {{ div (mul 9 $mebibytes) 10 }}MiB
{{- end }}
{{- end -}}

{{/* The variables that both programs may have, after their own: root, program. */}}
{{- define "cloudinary-operator.env" -}}
{{- if .root.Values.namespaced }}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end }}
{{- with (index .root.Values .program).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of a program's Pods: root, program. */}}
{{- define "cloudinary-operator.podMetadata" -}}
{{- $values := index .root.Values .program -}}
labels:
  {{- include "cloudinary-operator.selectorLabels" (dict "root" .root "component" .program) | nindent 2 }}
  app.kubernetes.io/part-of: cloudinary-operator
  {{- with merge (dict) $values.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .program }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Where a program's Pods may run, and as whom: root, program. */}}
{{- define "cloudinary-operator.podSettings" -}}
{{- $selector := include "cloudinary-operator.selectorLabels" (dict "root" .root "component" .program) | fromYaml -}}
serviceAccountName: {{ include "cloudinary-operator.serviceAccountName" . }}
automountServiceAccountToken: true # its service account has it off for all others
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
{{ toYaml . }}
{{- end }}
{{- with index .root.Values .program }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
{{ toYaml . }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
{{ hasKey . "labelSelector" | ternary . (set (deepCopy .) "labelSelector" (dict "matchLabels" $selector)) | list | toYaml }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What both containers have in common: root, program. */}}
{{- define "cloudinary-operator.containerSettings" -}}
name: {{ .program }}
image: {{ include "cloudinary-operator.image" .root }}
{{- with .root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
command: [/{{ .program }}]
{{- with (index .root.Values .program).resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* The rule of a NetworkPolicy that lets metrics be read. */}}
{{- define "cloudinary-operator.metricsIngress" -}}
- from:
  {{- if .Values.networkPolicy.metricsFrom }}
  {{- toYaml .Values.networkPolicy.metricsFrom | nindent 2 }}
  {{- else if .Values.namespaced }}
  - podSelector: {}
  {{- else }}
  - namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: monitoring
  {{- end }}
  ports:
  - port: metrics
    protocol: TCP
{{- end -}}

{{/* The rule of a NetworkPolicy that lets the API server be reached, wherever it is. */}}
{{- define "cloudinary-operator.apiServerEgress" -}}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - port: {{ . }}
    protocol: TCP
  {{- end }}
{{- end -}}
