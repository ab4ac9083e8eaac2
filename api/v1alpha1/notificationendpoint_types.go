// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotificationEndpoint is an address that Cloudinary notifies, and the credentials of the product
// environment in which it is registered.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=nep,categories=cloudinary
// +kubebuilder:printcolumn:name="Cloud",type=string,JSONPath=`.status.environment.cloudName`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="URLs",type=string,JSONPath=`.status.environment.urls`
// +kubebuilder:printcolumn:name="Last Received",type=date,JSONPath=`.status.receiver.lastNotification.receivedAt`
// +kubebuilder:printcolumn:name="Verifying",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Verifying")].reason`
// +kubebuilder:printcolumn:name="Delivering",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Delivering")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NotificationEndpoint struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the address to notify and its product environment. For server-side apply it is one
	// value: a client that applies it sets all of it, and absent fields get their defaults.
	// +required
	// +structType=atomic
	Spec NotificationEndpointSpec `json:"spec,omitzero"`

	// status is the state that the operator found.
	// +optional
	// +kubebuilder:default={}
	Status NotificationEndpointStatus `json:"status,omitzero"`
}

// NotificationEndpointSpec is the address to notify and its product environment.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.receiver)",message="exactly one of url and receiver must be set: url is somebody else's address, receiver is the bundled one"
type NotificationEndpointSpec struct {
	// credentialsSecretRef names a Secret in the same namespace with the product environment's
	// credentials: either the key CLOUDINARY_URL (cloudinary://API_KEY:API_SECRET@CLOUD_NAME), or
	// the keys cloud_name, api_key and api_secret, or CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and
	// CLOUDINARY_API_SECRET, or cloud_name and oauth_token. Add upload_prefix if the Admin API is
	// not at https://api.cloudinary.com.
	// +required
	CredentialsSecretRef LocalSecretReference `json:"credentialsSecretRef,omitzero"`

	// url is the address to notify, if it is not the bundled receiver's. http and https; http is
	// not encrypted. It must not have credentials or a fragment. It may change: the triggers move.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^[hH][tT][tT][pP][sS]?://[^/?#]')",message="url must be an http or https address, for example https://hooks.example.com/cloudinary"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*@')",message="url must not carry credentials (the part before @): Cloudinary shows URLs to everybody who may list triggers; put a token in the path or query if you must"
	// +kubebuilder:validation:XValidation:rule="!self.contains('#')",message="url must not have a fragment (the part from # on): it is never sent"
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^[!-~]+$') && !self.matches('%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)')",message="url is not a valid URL, for example because of a space, a character that is not ASCII or a malformed percent-encoding; percent-encode such characters, and write an international host name in punycode (xn--...)"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*%')",message="url must not have a percent-encoded character in its host name, which no server can have; write an international host name in punycode (xn--...)"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//(:|[^/?#]*:(0+|[0-9]{6,})?([/?#]|$))')",message="url must have a host name, and where there is a colon after it a port from 1 to 65535"
	URL string `json:"url,omitempty"`

	// receiver makes the bundled receiver answer at the URL. The URL is
	// <baseURL>/v1/notifications/<namespace>/<name> of this object, and a part that nobody can
	// guess unless path is Plain. status.url has the whole URL.
	// +optional
	Receiver *ReceiverSpec `json:"receiver,omitempty"`

	// allowedTriggers decides which CloudinaryTriggers may use this endpoint. Absent: those of the
	// same namespace.
	// +optional
	AllowedTriggers *AllowedTriggers `json:"allowedTriggers,omitempty"`
}

// LocalSecretReference names a Secret in the same namespace.
type LocalSecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// ReceiverSpec makes the bundled receiver answer at the URL.
// +kubebuilder:validation:MinProperties=0
type ReceiverSpec struct {
	// baseURL is the receiver's address on the internet, for example https://hooks.example.com. A
	// path is kept; a query or a fragment is not allowed. Absent: the manager's
	// --receiver-base-url.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^[hH][tT][tT][pP][sS]?://[^/?#]')",message="baseURL must be an http or https address, for example https://hooks.example.com"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*@')",message="baseURL must not carry credentials (the part before @)"
	// +kubebuilder:validation:XValidation:rule="!self.contains('#') && !self.contains('?')",message="baseURL must have neither a query nor a fragment: the path of the endpoint is appended to it"
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^[!-~]+$') && !self.matches('%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)')",message="baseURL is not a valid URL, for example because of a space, a character that is not ASCII or a malformed percent-encoding; percent-encode such characters, and write an international host name in punycode (xn--...)"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/?#]*%')",message="baseURL must not have a percent-encoded character in its host name, which no server can have; write an international host name in punycode (xn--...)"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//(:|[^/?#]*:(0+|[0-9]{6,})?([/?#]|$))')",message="baseURL must have a host name, and where there is a colon after it a port from 1 to 65535"
	BaseURL string `json:"baseURL,omitempty"`

	// path decides how the address ends. Unguessable: with 32 hex digits that the operator computes
	// from this object's namespace and name with its own key. They are the same after a restore. A
	// caller without them cannot even find out whether the endpoint exists. Plain: with the name
	// alone. Absent: Unguessable, unless the endpoint had a plain address before: it keeps that. It
	// may change: the triggers move, and the receiver serves the former address for another 30
	// minutes.
	// +optional
	Path ReceiverPath `json:"path,omitempty"`

	// verification decides which signatures are accepted. Absent: SHA-1 and SHA-256, at most 2
	// hours old.
	// +optional
	Verification *Verification `json:"verification,omitempty"`

	// deliverTo are the targets that get each notification, independently of each other. Absent:
	// notifications are verified and counted, and not delivered.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	DeliverTo []DeliveryTarget `json:"deliverTo,omitempty"`

	// retry is how long the receiver retries a delivery. Absent: 72 hours.
	// +optional
	Retry *RetryPolicy `json:"retry,omitempty"`
}

// ReceiverPath is how the address of an endpoint with a receiver ends.
// +kubebuilder:validation:Enum=Unguessable;Plain
type ReceiverPath string

// The ways in which an address ends.
const (
	// ReceiverPathUnguessable is with a part that only the operator can compute.
	ReceiverPathUnguessable ReceiverPath = "Unguessable"
	// ReceiverPathPlain is with the endpoint's name.
	ReceiverPathPlain ReceiverPath = "Plain"
)

// AllowedTriggers decides which CloudinaryTriggers may use an endpoint.
type AllowedTriggers struct {
	// namespaces decides from which namespaces.
	// +required
	Namespaces AllowedNamespaces `json:"namespaces,omitzero"`
}

// AllowedNamespaces decides from which namespaces an endpoint may be used.
//
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="selector must be set with from: Selector, and with nothing else"
type AllowedNamespaces struct {
	// from is Same for the endpoint's own namespace, All for every namespace, or Selector for its
	// own and those whose labels match selector. It may change: if a namespace may no longer use
	// the endpoint, its triggers are released by their deletionPolicy.
	// +required
	From FromNamespaces `json:"from,omitempty"`

	// selector selects namespaces by their labels; an empty one selects all. It needs a manager
	// without --watch-namespaces.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// FromNamespaces is a set of namespaces.
// +kubebuilder:validation:Enum=Same;All;Selector
type FromNamespaces string

// The sets of namespaces.
const (
	NamespacesFromSame     FromNamespaces = "Same"
	NamespacesFromAll      FromNamespaces = "All"
	NamespacesFromSelector FromNamespaces = "Selector"
)

// NotificationEndpointStatus is the state that the operator found.
type NotificationEndpointStatus struct {
	// conditions report whether the operator accepts the spec (Accepted), whether it can list the
	// product environment with the credentials (Synced), and whether both are true (Ready).
	// Reconciling and Stalled are for tools that follow kstatus. The bundled receiver writes
	// Verifying and Delivering: whether notifications are Cloudinary's, and whether they reach
	// their targets.
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

	// url is the address that Cloudinary notifies: the value to pass as notification_url or
	// eager_notification_url in your own API calls.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2500
	URL string `json:"url,omitempty"`

	// environment is the product environment of the credentials, once Cloudinary has accepted them.
	// +optional
	Environment *EnvironmentStatus `json:"environment,omitempty"`

	// receiver is the state of the endpoint's notifications, as the bundled receiver reports it.
	// Numbers are updated at most once a minute.
	// +optional
	Receiver *ReceiverStatus `json:"receiver,omitempty"`
}

// EnvironmentStatus is the state of a product environment.
type EnvironmentStatus struct {
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

	// urlsUsed is the number of different notification URLs in the product environment, including
	// those of other tools. Absent until its triggers have been listed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	URLsUsed *int32 `json:"urlsUsed,omitempty"`

	// urls is urlsUsed and urlLimit for people: 12/30.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=16
	URLs string `json:"urls,omitempty"`

	// callShare is the number of Admin API calls that the operator makes in an hour at most, and
	// the number that the Cloudinary plan allows: 250/500. Absent if Cloudinary does not report it.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=32
	CallShare string `json:"callShare,omitempty"`

	// changesWaiting is the number of changes that wait for Admin API calls, including those of
	// other objects in the product environment. Absent: none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	ChangesWaiting *int32 `json:"changesWaiting,omitempty"`

	// urlLimit is the largest number of notification URLs.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	URLLimit *int32 `json:"urlLimit,omitempty"`
}

// NotificationEndpointList is a list of NotificationEndpoints.
//
// +kubebuilder:object:root=true
type NotificationEndpointList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`

	// items are the endpoints.
	// +required
	Items []NotificationEndpoint `json:"items"`
}
