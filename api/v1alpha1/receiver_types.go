// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Verification decides which signatures of a notification are accepted.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.algorithms) || !('Ed25519' in self.algorithms) || has(self.ed25519PublicKeys)",message="algorithms names Ed25519, which needs ed25519PublicKeys"
type Verification struct {
	// maxAge is the largest age of a notification, by its X-Cld-Timestamp, from 10m to 24h.
	// Cloudinary retries for up to 9 minutes, possibly with the first timestamp. Absent: 2h, as in
	// Cloudinary's SDKs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10m') && duration(self) <= duration('24h')",message="maxAge must be from 10m to 24h: Cloudinary tries again for 9 minutes, possibly with the first timestamp"
	MaxAge Duration `json:"maxAge,omitempty"`

	// algorithms are the accepted ones. Absent: SHA1 and SHA256, whichever Cloudinary uses, and
	// Ed25519 if there is a public key. SHA-256 is a setting of the Cloudinary account; if it is
	// on, you can leave out SHA1 here.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Algorithms []SignatureAlgorithm `json:"algorithms,omitempty"`

	// apiKeys are the ids of the only API keys whose signatures count, up to 8, for example
	// 123456789012345. An id is not secret. The operator looks for its secret in the endpoint's own
	// Secret, as its API key or as signing.<API_KEY>. Otherwise it looks in other Secrets of the
	// product environment with that API key, if Cloudinary has accepted their calls. Absent: all
	// keys of the endpoint's own Secret count, and no other Secret's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[!-9;-~]+$'))",message="apiKeys are ids of API keys, as the Console shows them beside their secrets, for example 123456789012345: without spaces and colons"
	APIKeys []string `json:"apiKeys,omitempty"`

	// ed25519PublicKeys are the keys for checking X-Cld-Signature_v2: PEM, or the 32 bytes in
	// base64 or hex. Cloudinary has not published what exactly it signs; the documentation names
	// the assumption. Absent: the receiver refuses notifications without another signature.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=43
	// +kubebuilder:validation:items:MaxLength=512
	Ed25519PublicKeys []string `json:"ed25519PublicKeys,omitempty"`
}

// SignatureAlgorithm is the algorithm of a signature.
// +kubebuilder:validation:Enum=SHA1;SHA256;Ed25519
type SignatureAlgorithm string

// The signature algorithms.
const (
	// SignatureSHA1 is X-Cld-Signature with 40 hex digits, Cloudinary's default.
	SignatureSHA1 SignatureAlgorithm = "SHA1"
	// SignatureSHA256 is X-Cld-Signature with 64 hex digits, a setting of the Cloudinary account.
	SignatureSHA256 SignatureAlgorithm = "SHA256"
	// SignatureEd25519 is X-Cld-Signature_v2.
	SignatureEd25519 SignatureAlgorithm = "Ed25519"
)

// DeliveryTarget gets an endpoint's notifications.
// +kubebuilder:validation:XValidation:rule="has(self.service) != has(self.event)",message="exactly one of service and event must be set"
type DeliveryTarget struct {
	// name of the target within the endpoint. Notifications are queued under this name: a new name
	// discards them.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name must be lower-case letters, digits and hyphens, with a letter or digit at both ends"
	Name string `json:"name,omitempty"`

	// service is a Service in the same namespace that gets the notification by POST, and answers
	// 2xx after it has accepted it.
	// +optional
	Service *ServiceTarget `json:"service,omitempty"`

	// event creates a Kubernetes Event on the CloudinaryTrigger that fired, for kubectl describe
	// and for tools that watch Events. More than 25 at once, or more than one in 15 seconds, are
	// counted and left out.
	// +optional
	Event *EventTarget `json:"event,omitempty"`

	// eventTypes are the only ones that the target gets, by Cloudinary's names; unknown means
	// notifications without an event type. Absent, or all: every one.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^[a-z][a-z0-9_]*$'))",message="eventTypes are Cloudinary's names: lower-case letters, digits and underscores, starting with a letter, for example upload"
	EventTypes []string `json:"eventTypes,omitempty"`
}

// ServiceTarget is a Service that gets notifications.
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || has(self.scheme) && self.scheme == 'HTTPS'",message="tls is for scheme: HTTPS alone: set that, or take tls out"
type ServiceTarget struct {
	// name of the Service, in the endpoint's namespace. The type ExternalName is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// port of the Service: its number, or its name.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 65535 : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.matches('[a-z]')",message="port must be a number from 1 to 65535, without quotes, or the name of one of the Service's ports"
	Port intstr.IntOrString `json:"port,omitzero"`

	// scheme of the request. HTTP or absent: without TLS. HTTPS: over TLS; the certificate must be
	// for the Service, see tls.
	// +optional
	Scheme ServiceScheme `json:"scheme,omitempty"`

	// tls decides which certificates of the Service are accepted. Absent: the certificate must be
	// for <name>.<namespace>.svc, and signed by an authority of the receiver's system.
	// +optional
	TLS *ServiceTLS `json:"tls,omitempty"`

	// path of the request, with a query if needed. Absent: /
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[!-~]*$') && !self.contains('#') && isURL('http://service' + self) && !self.matches('%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)')",message="path must start with / and be a valid URL path, without a fragment; percent-encode what is not plain ASCII"
	Path string `json:"path,omitempty"`

	// format of the request. Original or absent: the body byte for byte, with Cloudinary's headers,
	// so that the Service can verify its signature again. CloudEvents: the same body as a
	// CloudEvent 1.0 in binary mode.
	// +optional
	Format DeliveryFormat `json:"format,omitempty"`

	// timeout is how long the Service may take to answer, from 1s to 60s. Absent: 15s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('60s')",message="timeout must be from 1s to 60s"
	Timeout Duration `json:"timeout,omitempty"`
}

// ServiceScheme is the scheme of requests to a Service.
// +kubebuilder:validation:Enum=HTTP;HTTPS
type ServiceScheme string

// The schemes.
const (
	SchemeHTTP  ServiceScheme = "HTTP"
	SchemeHTTPS ServiceScheme = "HTTPS"
)

// ServiceTLS decides which certificates of a Service are accepted.
// +kubebuilder:validation:MinProperties=1
type ServiceTLS struct {
	// caConfigMapRef names a ConfigMap in the same namespace with the certificates of the
	// authorities that may sign the Service's. The receiver may read ConfigMaps named
	// cloudinary-target-ca, kube-root-ca.crt and openshift-service-ca.crt; you have to grant it any
	// other. Absent: the authorities of the receiver's system.
	// +optional
	CAConfigMapRef *ConfigMapKeyReference `json:"caConfigMapRef,omitempty"`

	// serverName is the name in the certificate, and the name that the receiver asks for. Absent:
	// <name>.<namespace>.svc of the Service.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	ServerName string `json:"serverName,omitempty"`
}

// DefaultCAKey is the default key of a ConfigMap with certificates.
const DefaultCAKey = "ca.crt"

// ConfigMapKeyReference names a ConfigMap in the same namespace, and a key of it.
type ConfigMapKeyReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`

	// key of the ConfigMap with the certificates in PEM, one after the other. Absent: ca.crt
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// DeliveryFormat is the format of notifications to a Service.
// +kubebuilder:validation:Enum=Original;CloudEvents
type DeliveryFormat string

// The formats.
const (
	FormatOriginal    DeliveryFormat = "Original"
	FormatCloudEvents DeliveryFormat = "CloudEvents"
)

// EventTarget creates Kubernetes Events.
// +kubebuilder:validation:MinProperties=0
type EventTarget struct{}

// RetryPolicy decides how long the receiver retries a delivery.
// +kubebuilder:validation:MinProperties=1
type RetryPolicy struct {
	// maxAge is how long after its receipt the receiver retries a notification, from 1m to 720h.
	// Then it is a dead letter, kept until somebody redrives or discards it. Absent: 72h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('720h')",message="maxAge must be from 1m to 720h"
	MaxAge Duration `json:"maxAge,omitempty"`
}

// Duration is a span of time such as 90s, 2h or 1h30m: numbers with the units h, m and s.
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=24
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s)){1,3}$`
type Duration string

// ReceiverStatus is the state of an endpoint's notifications.
// +kubebuilder:validation:MinProperties=1
type ReceiverStatus struct {
	// received is the number of notifications that were verified and stored, without duplicates.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Received *int64 `json:"received,omitempty"`

	// duplicates is the number of verified notifications that were stored before: Cloudinary sends
	// a notification again if it gets no answer in time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Duplicates *int64 `json:"duplicates,omitempty"`

	// rejected is the number of refused requests, by reason.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=32
	Rejected []RejectionStatus `json:"rejected,omitempty"`

	// lastNotification is the last one that was stored.
	// +optional
	LastNotification *NotificationStatus `json:"lastNotification,omitempty"`

	// targets is the state of the deliveries, by target.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Targets []TargetStatus `json:"targets,omitempty"`

	// lastHandledRedrive is the last value of the annotation notifications.cloudinary.dev/redrive
	// that was carried out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	LastHandledRedrive string `json:"lastHandledRedrive,omitempty"`
}

// RejectionStatus is the number of requests that were refused for one reason.
type RejectionStatus struct {
	// reason is one of a fixed set, listed in the documentation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// count of the requests.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count,omitempty"`

	// lastAt is the time of the last one.
	// +required
	LastAt *metav1.Time `json:"lastAt,omitempty"`
}

// NotificationStatus is one notification and its deliveries.
type NotificationStatus struct {
	// eventType is the notification's event type.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	EventType string `json:"eventType,omitempty"`

	// receivedAt is the time when it was stored.
	// +required
	ReceivedAt *metav1.Time `json:"receivedAt,omitempty"`

	// summary is the event and the asset in a few words.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Summary string `json:"summary,omitempty"`

	// deliveries is the state of its deliveries, by target.
	// +optional
	// +listType=map
	// +listMapKey=target
	// +kubebuilder:validation:MaxItems=16
	Deliveries []DeliveryStatus `json:"deliveries,omitempty"`
}

// DeliveryStatus is the state of one notification at one target.
type DeliveryStatus struct {
	// target is the target's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Target string `json:"target,omitempty"`

	// state is Pending, Delivered, Retrying, DeadLettered or Discarded.
	// +required
	State DeliveryState `json:"state,omitempty"`

	// attempts is the number of attempts, as far as the receiver knows since its start.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Attempts *int32 `json:"attempts,omitempty"`

	// message is the error of the last attempt.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// DeliveryState is the state of a delivery.
// +kubebuilder:validation:Enum=Pending;Delivered;Retrying;DeadLettered;Discarded
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending      DeliveryState = "Pending"
	DeliveryDelivered    DeliveryState = "Delivered"
	DeliveryRetrying     DeliveryState = "Retrying"
	DeliveryDeadLettered DeliveryState = "DeadLettered"
	// DeliveryDiscarded means the target was removed, or its budget of Kubernetes Events was used
	// up.
	DeliveryDiscarded DeliveryState = "Discarded"
)

// TargetStatus is the state of the deliveries to one target.
type TargetStatus struct {
	// name of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// delivered is the number of delivered notifications.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Delivered *int64 `json:"delivered,omitempty"`

	// waiting is the number of notifications in the queue, including retries.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Waiting *int64 `json:"waiting,omitempty"`

	// retrying is the number of waiting notifications with at least one failed attempt.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Retrying *int64 `json:"retrying,omitempty"`

	// deadLetters is the number of notifications that were given up and are kept. The annotation
	// notifications.cloudinary.dev/redrive on the endpoint, with any new value, delivers them
	// again.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DeadLetters *int64 `json:"deadLetters,omitempty"`

	// discarded is the number of dropped notifications: Kubernetes Events over the budget,
	// notifications for a target that was removed, and dead letters that somebody discarded.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Discarded *int64 `json:"discarded,omitempty"`

	// lastDeliveredAt is the time of the last delivery.
	// +optional
	LastDeliveredAt *metav1.Time `json:"lastDeliveredAt,omitempty"`

	// lastFailure is the last failed attempt, even if a later one succeeded.
	// +optional
	LastFailure *DeliveryFailure `json:"lastFailure,omitempty"`
}

// DeliveryFailure is a failed attempt.
type DeliveryFailure struct {
	// at is the time of the failure.
	// +required
	At *metav1.Time `json:"at,omitempty"`

	// statusCode is the status of the target's answer; absent if there was none.
	// +optional
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=999
	StatusCode int32 `json:"statusCode,omitempty"`

	// message is the cause of the failure, and the way out.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}
