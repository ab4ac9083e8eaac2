// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Accepted, Synced and Ready have positive polarity and are present on both kinds from the
// first look of the manager on; Reconciling and Stalled have negative polarity, follow kstatus, and are
// present only while they are True. The table in reasons.go has the reasons of each.
const (
	// ConditionAccepted says whether the spec can be honored: its references exist and are allowed, its
	// values are valid, it is within the limit of URLs, and it does not contradict another object.
	ConditionAccepted = "Accepted"

	// ConditionSynced says whether Cloudinary has exactly what the spec says. It is Unknown where this manager
	// has never read the product environment and knows nothing of the spec from before.
	ConditionSynced = "Synced"

	// ConditionReady is Accepted and Synced, nothing else. Its reason is that of the condition that
	// keeps it from being True, or Ready.
	ConditionReady = "Ready"

	// ConditionReconciling is True while the manager works on the object, or will again by itself. Its reason is that of Ready.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True where nothing will change before a person acts. Its reason is that of Ready.
	ConditionStalled = "Stalled"

	// ConditionVerifying says whether the notifications that arrive at the bundled receiver for an endpoint prove to be Cloudinary's.
	// Written by the receiver, no part of Ready, absent before it has anything to say. It is Unknown once at least three
	// requests were refused while none was verified.
	ConditionVerifying = "Verifying"

	// ConditionDelivering says whether notifications reach their targets. Written by the receiver, no part of Ready, absent
	// before there is anything to deliver.
	ConditionDelivering = "Delivering"
)

// Reasons of Verifying.
const (
	// ReasonVerified means the most recent notification was verified.
	ReasonVerified = "Verified"
	// ReasonVerificationKeysMissing means the receiver has no key to verify with: the endpoint's credentials were not accepted by Cloudinary
	// yet, or the manager is not there. Requests are answered 503 until it has one, so that Cloudinary tries again.
	ReasonVerificationKeysMissing = "VerificationKeysMissing"
	// ReasonSignaturesDoNotMatch means nothing verifies, or not any more: most likely Cloudinary signs with an API key that does not count (any
	// more), since it is not in the endpoint's own Secret, or apiKeys leaves it out. Add it there as signing.<API_KEY>, or name it in apiKeys.
	ReasonSignaturesDoNotMatch = "SignaturesDoNotMatch"
	// ReasonAlgorithmNotAllowed means only signatures arrive that spec.receiver.verification.algorithms does not allow. On Accepted of a
	// trigger it means that its spec.authScheme has no other ones sent.
	ReasonAlgorithmNotAllowed = "AlgorithmNotAllowed"
	// ReasonOnlySignatureV2 means only X-Cld-Signature_v2 arrives, and no public key is configured.
	ReasonOnlySignatureV2 = "OnlySignatureV2"
	// ReasonTimestampsRefused means only notifications arrive that are too old, or from the future: check the clock of the receiver's node.
	ReasonTimestampsRefused = "TimestampsRefused"
	// ReasonSignatureHeadersMissing means only requests arrive that lack X-Cld-Signature or X-Cld-Timestamp, or have them in another form, at an
	// address that nobody can guess: most likely a proxy drops or changes headers.
	ReasonSignatureHeadersMissing = "SignatureHeadersMissing"
	// ReasonNothingVerified means requests were refused, and none was verified so far, at an address that anybody can guess: they may be
	// Cloudinary's or a stranger's. The message has the likely cause if they are Cloudinary's.
	ReasonNothingVerified = "NothingVerified"
)

// Reasons of Delivering.
const (
	// ReasonDelivered means deliveries work: no target fails, and there are no dead letters.
	ReasonDelivered = "Delivered"
	// ReasonTargetFailing means deliveries that wait for a target failed; they are tried again, ever less often, until spec.receiver.retry.maxAge.
	// Those that the target refused are not among them: see DeadLetters.
	ReasonTargetFailing = "TargetFailing"
	// ReasonDeadLetters means notifications were given up: the target refused them for good, or they got too old. They are kept, and not tried
	// again before somebody annotates the endpoint with notifications.cloudinary.dev/redrive.
	ReasonDeadLetters = "DeadLetters"
)

// Reasons of status True.
const (
	// ReasonAccepted means the spec can be honored.
	ReasonAccepted = "Accepted"
	// ReasonSynced means Cloudinary has exactly what the spec says.
	ReasonSynced = "Synced"
	// ReasonReady means Accepted and Synced.
	ReasonReady = "Ready"
)

// Reasons of Accepted=False. Each is looked at again when the object named in the message changes.
const (
	// ReasonEndpointNotFound means the NotificationEndpoint of spec.endpointRef does not exist. What is at
	// Cloudinary already stays until it does.
	ReasonEndpointNotFound = "EndpointNotFound"
	// ReasonEndpointNotAllowed means the endpoint exists, and its spec.allowedTriggers does not admit this
	// trigger's namespace. What is at Cloudinary is released by the deletionPolicy.
	ReasonEndpointNotAllowed = "EndpointNotAllowed"
	// ReasonEndpointNotAccepted means the endpoint itself is not accepted, and somebody has to correct it; its conditions say what.
	ReasonEndpointNotAccepted = "EndpointNotAccepted"
	// ReasonEndpointWaiting means the endpoint waits for something that is still to come, such as its Secret, or that not all has been read yet
	// which says whether it may be used. What is at Cloudinary already stays until then.
	ReasonEndpointWaiting = "EndpointWaiting"
	// ReasonEndpointDeleting means the endpoint is being deleted. What is at Cloudinary is released by the deletionPolicy.
	ReasonEndpointDeleting = "EndpointDeleting"
	// ReasonSecretNotFound means the Secret of spec.credentialsSecretRef does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid means the Secret lacks a key, or one cannot be used. The message names the key, never its content.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSecretForbidden means the API server does not let the manager read the Secret, or hold it by its finalizer. What is at Cloudinary
	// stays as it is. Looked at again at each sync.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonInsecureAPIBase means the Secret names an Admin API that is not https, and the manager was not started with --allow-insecure-api-base.
	ReasonInsecureAPIBase = "InsecureAPIBase"
	// ReasonAPIBaseNotAllowed means the Secret names an Admin API that is neither Cloudinary's own nor among the manager's --allowed-api-bases, so
	// that it is not called. What is at Cloudinary stays as it is. Looked at again when the Secret changes, or the manager restarts.
	ReasonAPIBaseNotAllowed = "APIBaseNotAllowed"
	// ReasonInvalidURL means the URL to notify cannot be used.
	ReasonInvalidURL = "InvalidURL"
	// ReasonBaseURLMissing means spec.receiver has no baseURL and the manager no --receiver-base-url.
	ReasonBaseURLMissing = "BaseURLMissing"
	// ReasonPathKeyUnavailable means the manager can neither read nor make the Secret with the key that unguessable addresses are computed
	// with, and the endpoint has no address yet. Looked at again at each sync.
	ReasonPathKeyUnavailable = "PathKeyUnavailable"
	// ReasonPublicKeyMissing means spec.authScheme is eddsa_v2, and the endpoint's bundled receiver has no public key: it would refuse
	// every notification. What is at Cloudinary stays as it is.
	ReasonPublicKeyMissing = "PublicKeyMissing"
	// ReasonInvalidPublicKey means one of spec.receiver.verification.ed25519PublicKeys is no Ed25519 public key.
	ReasonInvalidPublicKey = "InvalidPublicKey"
	// ReasonNeedsClusterScope means spec.allowedTriggers selects namespaces by label, and the manager was started with --watch-namespaces,
	// so that it does not see the labels of namespaces. What is at Cloudinary stays as it is.
	ReasonNeedsClusterScope = "NeedsClusterScope"
	// ReasonInvalidSelector means spec.allowedTriggers.namespaces.selector is no selector of labels. What is at Cloudinary stays as it is.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidFilter means spec.filter is not a JSONLogic rule, or too large or too deep.
	ReasonInvalidFilter = "InvalidFilter"
	// ReasonInvalidPayloadTemplate means spec.payloadTemplate is not valid Mustache in JSON, or too large.
	ReasonInvalidPayloadTemplate = "InvalidPayloadTemplate"
	// ReasonConflict means an older object wants the same event type at the same URL, and has it.
	ReasonConflict = "Conflict"
	// ReasonAlreadyExists means a trigger that is not ours exists at the same URL and event type, and spec.adoptionPolicy is Refuse; or it is
	// of a uri_type other than webhook, so that it cannot be adopted, and Cloudinary takes no other one beside it.
	ReasonAlreadyExists = "AlreadyExists"
	// ReasonURLLimitReached means the product environment already holds as many notification URLs as Cloudinary allows.
	// Looked at again whenever the environment's triggers change.
	ReasonURLLimitReached = "URLLimitReached"
	// ReasonRejected means Cloudinary refused the trigger as it is in the spec; the message has Cloudinary's word for it.
	// Tried again when the spec changes, and once an hour.
	ReasonRejected = "Rejected"
)

// Reasons of Synced=False, or Unknown where nothing was ever read.
const (
	// ReasonNotAccepted means the spec, or part of it, is not accepted; the condition Accepted says which and what becomes of what exists.
	ReasonNotAccepted = "NotAccepted"
	// ReasonPending means changes are planned and not made yet.
	ReasonPending = "Pending"
	// ReasonConfirming means a change was sent, and the list of triggers does not show it yet. Looked at again at the next sync.
	ReasonConfirming = "Confirming"
	// ReasonPlaceTaken means Cloudinary refused a trigger since there is one already, and its list shows none at that place. Tried again
	// once the next list shows none either, and then ever less often, at least every 10 minutes.
	ReasonPlaceTaken = "PlaceTaken"
	// ReasonNotConverging means Cloudinary, another tool or another cluster keeps a different value than was sent.
	// Nothing is written until either side changes.
	ReasonNotConverging = "NotConverging"
	// ReasonDrifted means spec.managementPolicy is Observe, and Cloudinary differs from the spec.
	ReasonDrifted = "Drifted"
	// ReasonCredentialsRejected means Cloudinary answered 401 or 403. Tried again when the Secret changes, and ever less often, at least once an hour.
	ReasonCredentialsRejected = "CredentialsRejected"
	// ReasonUnavailable means Cloudinary could not be reached, or answered 5xx or something that is no answer, or a list that leaves out triggers
	// which exist. Tried again with back-off.
	ReasonUnavailable = "Unavailable"
	// ReasonRateLimited means the hour's Admin API calls are used up, or the operator's share of them (--call-share). Goes on after Cloudinary's
	// reset; status.environment.changesWaiting of the endpoint says how much is to be done.
	ReasonRateLimited = "RateLimited"
	// ReasonReleasing means triggers at a former URL or product environment are still to be released.
	ReasonReleasing = "Releasing"
	// ReasonDeletionRefused means Cloudinary refuses to delete a trigger that is not wanted any more; the message has Cloudinary's word for it.
	// Tried again after the next list, and then ever less often, at least every 10 minutes.
	ReasonDeletionRefused = "DeletionRefused"
	// ReasonCredentialsMissing means no Secret gives access any more to a product environment in which triggers are left.
	// Restore one, or annotate the object with notifications.cloudinary.dev/abandon: "true".
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonVerificationKeysNotWritten means the receiver does not get all keys of the endpoint's namespace: it has too many, or the Secret with those of all
	// environments is full or cannot be written. On endpoints with spec.receiver. Tried again at each sync.
	ReasonVerificationKeysNotWritten = "VerificationKeysNotWritten"
)

const (
	// Finalizer holds an object until what it has at Cloudinary is released, and a Secret until no endpoint needs it.
	Finalizer = "notifications.cloudinary.dev/cloudinary"

	// AnnotationAbandon with the value "true" ends the wait of an object that is being deleted: it goes, and
	// the ids it leaves behind at Cloudinary are named in a Kubernetes Event.
	AnnotationAbandon = "notifications.cloudinary.dev/abandon"

	// AnnotationRedrive on an endpoint, with any new value, makes the receiver deliver the endpoint's dead letters again. What was
	// carried out last stands in status.receiver.lastHandledRedrive.
	AnnotationRedrive = "notifications.cloudinary.dev/redrive"
)
