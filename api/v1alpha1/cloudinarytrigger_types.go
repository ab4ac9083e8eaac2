// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// CloudinaryTrigger makes Cloudinary notify a NotificationEndpoint of one or more event types. Each event type
// is one trigger at Cloudinary, kept equal to the spec.
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

	// spec says what Cloudinary is to notify the endpoint of. For server-side apply it is one value: who applies it sets
	// all of it, and what is absent is said by that, too.
	// +required
	// +structType=atomic
	Spec CloudinaryTriggerSpec `json:"spec,omitzero"`

	// status is what the manager found and did.
	// +optional
	// +kubebuilder:default={}
	Status CloudinaryTriggerStatus `json:"status,omitzero"`
}

// CloudinaryTriggerSpec says what Cloudinary is to notify the endpoint of. An absent optional field means
// Cloudinary's default, and that is enforced too.
type CloudinaryTriggerSpec struct {
	// endpointRef names the NotificationEndpoint that is notified. It may change: the triggers move with it.
	// +required
	EndpointRef EndpointReference `json:"endpointRef,omitzero"`

	// eventTypes are the kinds of event to be notified of, in Cloudinary's words, for example upload or
	// resource_tags_changed; all stands for every kind. Each becomes one trigger at Cloudinary. A name that is not
	// known to the operator is tried nevertheless, since Cloudinary may add to them.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^[a-z][a-z0-9_]*$'))",message="eventTypes are Cloudinary's names: lower-case letters, digits and underscores, starting with a letter, for example upload or resource_tags_changed"
	EventTypes []string `json:"eventTypes,omitempty"`

	// additive says what happens where a single API call names a notification_url of its own. true: the trigger fires
	// besides it. false or absent: the call's own URL is notified instead of this one.
	// +optional
	Additive *bool `json:"additive,omitempty"`

	// filter is a JSONLogic rule over the notification's top-level fields; the trigger fires only where it is true.
	// For example {"==": [{"var": "resource_type"}, "image"]}. At most 16 KB and 32 levels. Absent or {}: every event of the type.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Filter *runtime.RawExtension `json:"filter,omitempty"`

	// payloadTemplate replaces the body that is sent: a JSON object whose strings may hold Mustache placeholders, for
	// example {"id": "{{asset.public_id}}"}. At most 16 KB as compact JSON and 32 levels. Absent or {}: Cloudinary's own body.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	PayloadTemplate *runtime.RawExtension `json:"payloadTemplate,omitempty"`

	// authScheme chooses the headers that prove where a notification comes from. default: both kinds of signature;
	// legacy_hmac: without X-Cld-Signature_v2; eddsa_v2: with X-Cld-Signature_v2 alone. Absent: default.
	// +optional
	AuthScheme AuthScheme `json:"authScheme,omitempty"`

	// adoptionPolicy says what happens to a trigger that exists already at the same URL and event type.
	// Adopt or absent: it is taken over, and changed where it differs. Refuse: it is left alone, and this object is not accepted.
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// deletionPolicy says what happens at Cloudinary when this object, or an event type of it, goes away.
	// Delete: the triggers are deleted. Retain: they are left as they are. Absent: what was created by the operator
	// is deleted, what was adopted is left.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// managementPolicy says how far the operator may go. Enforce or absent: it makes Cloudinary equal to the
	// spec. Observe: it reports the difference and writes nothing at Cloudinary, ever.
	// +optional
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`
}

// EndpointReference names a NotificationEndpoint.
type EndpointReference struct {
	// namespace of the endpoint. Absent: the namespace of the trigger. Another one must allow it in its spec.allowedTriggers.
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

// AuthScheme is Cloudinary's word for the signatures a notification carries.
// +kubebuilder:validation:Enum=default;legacy_hmac;eddsa_v2
type AuthScheme string

// The authentication schemes, in Cloudinary's words.
const (
	AuthSchemeDefault    AuthScheme = "default"
	AuthSchemeLegacyHMAC AuthScheme = "legacy_hmac"
	AuthSchemeEdDSAV2    AuthScheme = "eddsa_v2"
)

// AdoptionPolicy says what happens to a trigger that exists already.
// +kubebuilder:validation:Enum=Adopt;Refuse
type AdoptionPolicy string

// The adoption policies.
const (
	AdoptionPolicyAdopt  AdoptionPolicy = "Adopt"
	AdoptionPolicyRefuse AdoptionPolicy = "Refuse"
)

// DeletionPolicy says what happens at Cloudinary to what an object no longer wants.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	DeletionPolicyDelete DeletionPolicy = "Delete"
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// ManagementPolicy says how far the operator may go.
// +kubebuilder:validation:Enum=Enforce;Observe
type ManagementPolicy string

// The management policies.
const (
	ManagementPolicyEnforce ManagementPolicy = "Enforce"
	ManagementPolicyObserve ManagementPolicy = "Observe"
)

// CloudinaryTriggerStatus is what the manager found and did.
type CloudinaryTriggerStatus struct {
	// conditions say whether the spec can be honored (Accepted), whether Cloudinary has exactly it (Synced),
	// and whether both hold (Ready). Reconciling and Stalled are there for tools that follow kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the conditions speak of; -1 before the manager's first look.
	// +optional
	// +kubebuilder:default=-1
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// eventTypes are those of the spec in one line, for kubectl get: the first of them, and how many more there are.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	EventTypes string `json:"eventTypes,omitempty"`

	// registrations are the triggers at Cloudinary that this object holds, by product environment, Secret and URL.
	// More than one is normal only while triggers move. The operator relies on them: a trigger is the operator's own if
	// its id stands here.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Registrations []Registration `json:"registrations,omitempty"`

	// observed compares the spec with Cloudinary, by event type, where spec.managementPolicy is Observe.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Observed []ObservedTrigger `json:"observed,omitempty"`

	// lastNotification is the last notification of this trigger that the bundled receiver stored, brought up to date at most once a minute.
	// +optional
	LastNotification *NotificationStatus `json:"lastNotification,omitempty"`
}

// Registration is what one object holds in one product environment, under one Secret, at one URL.
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

	// secretRef is the Secret whose credentials the triggers were written with.
	// +required
	SecretRef NamespacedSecretReference `json:"secretRef,omitzero"`

	// url is what the triggers notify.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2500
	URL string `json:"url,omitempty"`

	// triggers are the triggers, one an event type.
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

// Origin says how a trigger came to be the operator's.
// +kubebuilder:validation:Enum=Created;Adopted
type Origin string

// The origins.
const (
	// OriginCreated means the operator made it.
	OriginCreated Origin = "Created"
	// OriginAdopted means it was there before, and was taken over.
	OriginAdopted Origin = "Adopted"
)

// RegisteredTrigger is one trigger at Cloudinary.
type RegisteredTrigger struct {
	// eventType is the trigger's event type.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	EventType string `json:"eventType,omitempty"`

	// id is Cloudinary's id of the trigger. Absent while it is being created, then intendedAt is set, or still to be created again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// origin says whether the operator created the trigger or adopted it.
	// +required
	Origin Origin `json:"origin,omitempty"`

	// intendedAt is the time, by Cloudinary's clock, before the call that was to create the trigger. It is there until
	// a list of all triggers has shown what became of that call.
	// +optional
	IntendedAt *metav1.MicroTime `json:"intendedAt,omitempty"`

	// differences are the fields in which Cloudinary differs from the spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Differences []FieldDifference `json:"differences,omitempty"`

	// remembered is what the operator needs to tell its own writes from somebody else's. Its form is the operator's own, and may change:
	// where it cannot be read, nothing is remembered.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Remembered string `json:"remembered,omitempty"`
}

// FieldDifference is a field in which Cloudinary differs from the spec. Values are cut to 256 bytes.
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

	// id is the id of the trigger at Cloudinary; absent where there is none.
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
