// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// CloudinaryTrigger makes Cloudinary notify a NotificationEndpoint of one or more event types. Each
// event type is one trigger at Cloudinary, which the operator keeps equal to the spec.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cldt,categories=cloudinary
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpointRef.name`
// +kubebuilder:printcolumn:name="Event Types",type=string,JSONPath=`.status.eventTypes`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Last Fired",type=date,JSONPath=`.status.lastNotification.receivedAt`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type CloudinaryTrigger struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the event types and settings of the triggers. For server-side apply it is one value:
	// a client that applies it sets all of it, and absent fields get their defaults.
	// +required
	// +structType=atomic
	Spec CloudinaryTriggerSpec `json:"spec,omitzero"`

	// status is what the manager found and did.
	// +optional
	// +kubebuilder:default={}
	Status CloudinaryTriggerStatus `json:"status,omitzero"`
}

// CloudinaryTriggerSpec is the event types and settings of the triggers. An absent optional field
// means Cloudinary's default, and the operator enforces that too.
type CloudinaryTriggerSpec struct {
	// endpointRef names the NotificationEndpoint that is notified. It may change: the triggers move
	// with it.
	// +required
	EndpointRef EndpointReference `json:"endpointRef,omitzero"`

	// eventTypes are the types of events to notify, by Cloudinary's names, for example upload or
	// resource_tags_changed; all means every type. Each one becomes one trigger at Cloudinary. The
	// operator also tries a name that it does not know, because Cloudinary may add event types.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^[a-z][a-z0-9_]*$'))",message="eventTypes are Cloudinary's names: lower-case letters, digits and underscores, starting with a letter, for example upload or resource_tags_changed"
	EventTypes []string `json:"eventTypes,omitempty"`

	// additive decides what happens if an API call names its own notification_url. true: the
	// trigger fires as well. false or absent: Cloudinary notifies only the URL of the call.
	// +optional
	Additive *bool `json:"additive,omitempty"`

	// filter is a JSONLogic rule over the notification's top-level fields. The trigger fires only
	// if the rule is true, for example {"==": [{"var": "resource_type"}, "image"]}. At most 16 KB
	// and 32 levels. Absent or {}: every event of the type.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Filter *runtime.RawExtension `json:"filter,omitempty"`

	// payloadTemplate replaces the body of the notification: a JSON object whose strings may have
	// Mustache placeholders, for example {"id": "{{asset.public_id}}"}. At most 16 KB as compact
	// JSON and 32 levels. Absent or {}: Cloudinary's own body.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	PayloadTemplate *runtime.RawExtension `json:"payloadTemplate,omitempty"`

	// authScheme selects the headers that prove where a notification comes from. default: both
	// kinds of signature; legacy_hmac: without X-Cld-Signature_v2; eddsa_v2: only
	// X-Cld-Signature_v2. Absent: default.
	// +optional
	AuthScheme AuthScheme `json:"authScheme,omitempty"`

	// adoptionPolicy decides what happens to an existing trigger at the same URL and event type.
	// Adopt or absent: the operator takes it over, and changes it if it differs. Refuse: the
	// operator does not touch it, and does not accept this object.
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// deletionPolicy decides what happens at Cloudinary if this object, or one of its event types,
	// is deleted. Delete: the operator deletes the triggers. Retain: they stay as they are. Absent:
	// the operator deletes triggers that it created, and leaves those that it adopted.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// managementPolicy decides whether the operator writes. Enforce or absent: it makes Cloudinary
	// equal to the spec. Observe: it reports differences and never writes at Cloudinary.
	// +optional
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`
}

// EndpointReference names a NotificationEndpoint.
type EndpointReference struct {
	// namespace of the endpoint. Absent: the namespace of the trigger. An endpoint in another
	// namespace must allow it in its spec.allowedTriggers.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// name of the endpoint.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// AuthScheme is Cloudinary's name for the kind of signatures of a notification.
// +kubebuilder:validation:Enum=default;legacy_hmac;eddsa_v2
type AuthScheme string

// The authentication schemes, by Cloudinary's names.
const (
	AuthSchemeDefault    AuthScheme = "default"
	AuthSchemeLegacyHMAC AuthScheme = "legacy_hmac"
	AuthSchemeEdDSAV2    AuthScheme = "eddsa_v2"
)

// AdoptionPolicy decides what happens to an existing trigger.
// +kubebuilder:validation:Enum=Adopt;Refuse
type AdoptionPolicy string

// The adoption policies.
const (
	AdoptionPolicyAdopt  AdoptionPolicy = "Adopt"
	AdoptionPolicyRefuse AdoptionPolicy = "Refuse"
)

// DeletionPolicy decides what happens at Cloudinary to triggers that an object no longer asks for.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	DeletionPolicyDelete DeletionPolicy = "Delete"
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// ManagementPolicy decides whether the operator writes at Cloudinary.
// +kubebuilder:validation:Enum=Enforce;Observe
type ManagementPolicy string

// The management policies.
const (
	ManagementPolicyEnforce ManagementPolicy = "Enforce"
	ManagementPolicyObserve ManagementPolicy = "Observe"
)

// CloudinaryTriggerStatus is what the manager found and did.
type CloudinaryTriggerStatus struct {
	// conditions report whether the operator accepts the spec (Accepted), whether Cloudinary has
	// exactly what it says (Synced), and whether both are true (Ready). Reconciling and Stalled are
	// for tools that follow kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation of the conditions; -1 before the manager's
	// first look.
	// +optional
	// +kubebuilder:default=-1
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// eventTypes are those of the spec in one line, for kubectl get: the first ones, and the number
	// of further ones.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	EventTypes string `json:"eventTypes,omitempty"`

	// registrations are the triggers at Cloudinary that this object holds, by product environment,
	// Secret and URL. More than one is normal only while triggers move. The operator relies on
	// them: a trigger belongs to the operator if its id is recorded here.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Registrations []Registration `json:"registrations,omitempty"`

	// observed compares the spec with Cloudinary, by event type, if spec.managementPolicy is
	// Observe.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Observed []ObservedTrigger `json:"observed,omitempty"`

	// lastNotification is the last notification of this trigger that the bundled receiver stored,
	// updated at most once a minute.
	// +optional
	LastNotification *NotificationStatus `json:"lastNotification,omitempty"`
}

// Registration is the triggers that one object holds in one product environment, with one Secret,
// at one URL.
type Registration struct {
	// apiBase is the base of the Admin API, for example https://api.cloudinary.com.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	APIBase string `json:"apiBase,omitempty"`

	// cloudName is the product environment's cloud name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	CloudName string `json:"cloudName,omitempty"`

	// secretRef is the Secret whose credentials wrote the triggers.
	// +required
	SecretRef NamespacedSecretReference `json:"secretRef,omitzero"`

	// url is the URL that the triggers notify.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2500
	URL string `json:"url,omitempty"`

	// triggers are the triggers, one for each event type.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Triggers []RegisteredTrigger `json:"triggers,omitempty"`
}

// NamespacedSecretReference names a Secret.
type NamespacedSecretReference struct {
	// namespace of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// Origin is how a trigger became the operator's.
// +kubebuilder:validation:Enum=Created;Adopted
type Origin string

// The origins.
const (
	// OriginCreated means that the operator created it.
	OriginCreated Origin = "Created"
	// OriginAdopted means that it existed before, and the operator took it over.
	OriginAdopted Origin = "Adopted"
)

// RegisteredTrigger is one trigger at Cloudinary.
type RegisteredTrigger struct {
	// eventType is the trigger's event type.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	EventType string `json:"eventType,omitempty"`

	// id is Cloudinary's id of the trigger. Absent while the trigger is being created (then
	// intendedAt is set), or before it is created again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// origin reports whether the operator created the trigger or adopted it.
	// +required
	Origin Origin `json:"origin,omitempty"`

	// intendedAt is the time, by Cloudinary's clock, before the call that creates the trigger. It
	// stays until the outcome of that call is known, or for 24 hours if no list shows a result.
	// +optional
	IntendedAt *metav1.MicroTime `json:"intendedAt,omitempty"`

	// differences are the fields in which Cloudinary differs from the spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Differences []FieldDifference `json:"differences,omitempty"`

	// remembered lets the operator tell its own writes from those of others. Its format is internal
	// and may change. If it cannot be read, nothing is remembered.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Remembered string `json:"remembered,omitempty"`
}

// FieldDifference is a field in which Cloudinary differs from the spec. Values are cut to 256
// bytes.
type FieldDifference struct {
	// field is the field's name in the spec, or url.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Field string `json:"field,omitempty"`

	// want is what the spec says.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Want *string `json:"want,omitempty"`

	// have is what Cloudinary has.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Have *string `json:"have,omitempty"`
}

// ObservedTrigger compares the spec with Cloudinary for one event type.
type ObservedTrigger struct {
	// eventType is the event type.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	EventType string `json:"eventType,omitempty"`

	// id is the id of the trigger at Cloudinary; absent if there is none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// differences are the fields in which Cloudinary differs from the spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Differences []FieldDifference `json:"differences,omitempty"`
}

// CloudinaryTriggerList is a list of CloudinaryTriggers.
//
// +kubebuilder:object:root=true
type CloudinaryTriggerList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`

	// items are the triggers.
	// +required
	Items []CloudinaryTrigger `json:"items"`
}
