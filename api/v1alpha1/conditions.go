// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Accepted, Synced and Ready have positive polarity, and both kinds have them from
// the first look of the manager on. Reconciling and Stalled have negative polarity, follow kstatus,
// and are present only while they are True. The table in reasons.go has the reasons of each.
const (
	// ConditionAccepted reports whether the operator accepts the spec: its references exist and are
	// allowed, its values are valid, it is within the URL limit, and it does not contradict another
	// object.
	ConditionAccepted = "Accepted"

	// ConditionSynced reports whether Cloudinary has exactly what the spec says. It is Unknown if
	// this manager has never listed the product environment, and knows nothing about the spec from
	// before.
	ConditionSynced = "Synced"

	// ConditionReady is True if Accepted and Synced are True. Otherwise it has the reason of the
	// condition that is not.
	ConditionReady = "Ready"

	// ConditionReconciling is True while the manager works on the object, or will continue by
	// itself. Its reason is that of Ready.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True if nothing changes before a person acts. Its reason is that of
	// Ready.
	ConditionStalled = "Stalled"

	// ConditionVerifying reports whether the notifications that arrive at the bundled receiver for
	// an endpoint are Cloudinary's. The receiver writes it, it does not affect Ready, and it is
	// absent before there is anything to report. It is Unknown once at least three requests were
	// refused and none was verified.
	ConditionVerifying = "Verifying"

	// ConditionDelivering reports whether notifications reach their targets. The receiver writes
	// it, it does not affect Ready, and it is absent before there is anything to deliver.
	ConditionDelivering = "Delivering"
)

// Reasons of Verifying.
const (
	// ReasonVerified means that the most recent notification was verified.
	ReasonVerified = "Verified"
	// ReasonVerificationKeysMissing means that the receiver has no key to verify with: Cloudinary
	// has not accepted the endpoint's credentials yet, or the manager does not run. The receiver
	// answers requests with 503 until it has a key, so that Cloudinary retries.
	ReasonVerificationKeysMissing = "VerificationKeysMissing"
	// ReasonSignaturesDoNotMatch means that no notification is verified, or none any more. Most
	// likely Cloudinary signs with an API key that does not count: the endpoint's own Secret lacks
	// it, or apiKeys leaves it out. Add it to the Secret as signing.<API_KEY>, or name it in
	// apiKeys.
	ReasonSignaturesDoNotMatch = "SignaturesDoNotMatch"
	// ReasonAlgorithmNotAllowed means that all signatures that arrive have an algorithm that
	// spec.receiver.verification.algorithms does not allow. On Accepted of a trigger it means that
	// its spec.authScheme allows no other signatures.
	ReasonAlgorithmNotAllowed = "AlgorithmNotAllowed"
	// ReasonOnlySignatureV2 means that only X-Cld-Signature_v2 arrives, and no public key is
	// configured.
	ReasonOnlySignatureV2 = "OnlySignatureV2"
	// ReasonTimestampsRefused means that all notifications that arrive are too old, or from the
	// future. Check the clock of the receiver's node.
	ReasonTimestampsRefused = "TimestampsRefused"
	// ReasonSignatureHeadersMissing means that all requests lack X-Cld-Signature or
	// X-Cld-Timestamp, or have them in another form, at an address that nobody can guess. Most
	// likely a proxy drops or changes headers.
	ReasonSignatureHeadersMissing = "SignatureHeadersMissing"
	// ReasonNothingVerified means that requests were refused and none was verified so far, at an
	// address that anybody can guess. They may be Cloudinary's or a stranger's. The message has the
	// likely cause if they are Cloudinary's.
	ReasonNothingVerified = "NothingVerified"
)

// Reasons of Delivering.
const (
	// ReasonDelivered means that deliveries work: no target fails, and there are no dead letters.
	ReasonDelivered = "Delivered"
	// ReasonTargetFailing means that deliveries to a target failed and wait for a retry. The
	// receiver retries them, less and less often, until spec.receiver.retry.maxAge. Notifications
	// that the target refused are not among them: see DeadLetters.
	ReasonTargetFailing = "TargetFailing"
	// ReasonDeadLetters means that the receiver gave up notifications: the target refused them
	// finally, or they got too old. They are kept, and are not retried before somebody annotates
	// the endpoint with notifications.cloudinary.dev/redrive.
	ReasonDeadLetters = "DeadLetters"
)

// Reasons of status True.
const (
	// ReasonAccepted means that the operator accepts the spec.
	ReasonAccepted = "Accepted"
	// ReasonSynced means that Cloudinary has exactly what the spec says.
	ReasonSynced = "Synced"
	// ReasonReady means Accepted and Synced.
	ReasonReady = "Ready"
)

// Reasons of Accepted=False. The manager looks again when the object that the message names
// changes.
const (
	// ReasonEndpointNotFound means that the NotificationEndpoint of spec.endpointRef does not
	// exist. Existing triggers at Cloudinary stay until it does.
	ReasonEndpointNotFound = "EndpointNotFound"
	// ReasonEndpointNotAllowed means that the endpoint exists, but its spec.allowedTriggers does
	// not admit this trigger's namespace. The triggers at Cloudinary are released by the
	// deletionPolicy.
	ReasonEndpointNotAllowed = "EndpointNotAllowed"
	// ReasonEndpointNotAccepted means that the endpoint itself is not accepted, and somebody has to
	// correct it. Its conditions say what to do.
	ReasonEndpointNotAccepted = "EndpointNotAccepted"
	// ReasonEndpointWaiting means that the endpoint waits, for example for its Secret, or that the
	// manager has not read yet whether the endpoint may be used. Existing triggers at Cloudinary
	// stay until then.
	ReasonEndpointWaiting = "EndpointWaiting"
	// ReasonEndpointDeleting means that the endpoint is being deleted. The triggers at Cloudinary
	// are released by the deletionPolicy.
	ReasonEndpointDeleting = "EndpointDeleting"
	// ReasonSecretNotFound means that the Secret of spec.credentialsSecretRef does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid means that the Secret lacks a key, or has one that cannot be used. The
	// message names the key, never its content.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSecretForbidden means that the API server does not let the manager read the Secret, or
	// put its finalizer on it. Triggers at Cloudinary stay as they are. The manager looks again at
	// each sync.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonInsecureAPIBase means that the Secret names an Admin API that is not https, and the
	// manager runs without --allow-insecure-api-base.
	ReasonInsecureAPIBase = "InsecureAPIBase"
	// ReasonAPIBaseNotAllowed means that the Secret names an Admin API that is neither Cloudinary's
	// own nor among the manager's --allowed-api-bases, so the manager does not call it. Triggers at
	// Cloudinary stay as they are. The manager looks again when the Secret changes or the manager
	// restarts.
	ReasonAPIBaseNotAllowed = "APIBaseNotAllowed"
	// ReasonInvalidURL means that Cloudinary cannot notify the URL.
	ReasonInvalidURL = "InvalidURL"
	// ReasonBaseURLMissing means that neither spec.receiver.baseURL nor the manager's
	// --receiver-base-url is set.
	ReasonBaseURLMissing = "BaseURLMissing"
	// ReasonPathKeyUnavailable means that the manager can neither read nor create the Secret with
	// the key for unguessable addresses, and the endpoint has no address yet. The manager looks
	// again at each sync.
	ReasonPathKeyUnavailable = "PathKeyUnavailable"
	// ReasonPublicKeyMissing means that spec.authScheme is eddsa_v2, but the endpoint's bundled
	// receiver has no public key: it would refuse every notification. Triggers at Cloudinary stay
	// as they are.
	ReasonPublicKeyMissing = "PublicKeyMissing"
	// ReasonInvalidPublicKey means that one of spec.receiver.verification.ed25519PublicKeys is not
	// an Ed25519 public key.
	ReasonInvalidPublicKey = "InvalidPublicKey"
	// ReasonNeedsClusterScope means that spec.allowedTriggers selects namespaces by label, but a
	// manager with --watch-namespaces cannot read the labels of namespaces. Triggers at Cloudinary
	// stay as they are.
	ReasonNeedsClusterScope = "NeedsClusterScope"
	// ReasonInvalidSelector means that spec.allowedTriggers.namespaces.selector is not a valid
	// label selector. Triggers at Cloudinary stay as they are.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidFilter means that spec.filter is not a JSONLogic rule, or is too large or too
	// deep.
	ReasonInvalidFilter = "InvalidFilter"
	// ReasonInvalidPayloadTemplate means that spec.payloadTemplate is not valid Mustache in JSON,
	// or is too large.
	ReasonInvalidPayloadTemplate = "InvalidPayloadTemplate"
	// ReasonConflict means that an older object already uses the same event type at the same URL.
	ReasonConflict = "Conflict"
	// ReasonAlreadyExists means that another trigger exists at the same URL and event type, and
	// spec.adoptionPolicy is Refuse. Or its uri_type is not webhook, so that it cannot be adopted,
	// and Cloudinary accepts no second one beside it.
	ReasonAlreadyExists = "AlreadyExists"
	// ReasonURLLimitReached means that the product environment has reached its limit of
	// notification URLs: Cloudinary's own, or the manager's --url-limit. The manager looks again
	// when the environment's triggers change.
	ReasonURLLimitReached = "URLLimitReached"
	// ReasonRejected means that Cloudinary refuses the trigger. The message repeats Cloudinary's.
	// The manager retries when the spec changes, and once an hour.
	ReasonRejected = "Rejected"
)

// Reasons of Synced=False, or of Synced=Unknown if the environment was never listed.
const (
	// ReasonNotAccepted means that the spec, or part of it, is not accepted. The condition Accepted
	// says which part, and what happens to existing triggers.
	ReasonNotAccepted = "NotAccepted"
	// ReasonPending means that changes are planned and not sent yet.
	ReasonPending = "Pending"
	// ReasonConfirming means that a change was sent, and the list of triggers does not show it yet.
	// The manager looks again at the next sync.
	ReasonConfirming = "Confirming"
	// ReasonPlaceTaken means that Cloudinary refuses a trigger because one exists already, but its
	// list shows none at that place. The manager retries after the next list, then less and less
	// often, at least every 10 minutes.
	ReasonPlaceTaken = "PlaceTaken"
	// ReasonNotConverging means that Cloudinary, another tool or another cluster keeps a different
	// value than the manager sent. The manager writes nothing until either side changes.
	ReasonNotConverging = "NotConverging"
	// ReasonDrifted means that spec.managementPolicy is Observe, and Cloudinary differs from the
	// spec.
	ReasonDrifted = "Drifted"
	// ReasonCredentialsRejected means that Cloudinary answered 401 or 403. The manager retries when
	// the Secret changes, and less and less often, at least once an hour.
	ReasonCredentialsRejected = "CredentialsRejected"
	// ReasonUnavailable means that Cloudinary could not be reached, gave an unusable answer such as
	// 5xx, or sent a list that leaves out existing triggers. The manager retries with back-off.
	ReasonUnavailable = "Unavailable"
	// ReasonRateLimited means that the hour's Admin API calls are used up, or the operator's share
	// of them (--call-share). The manager continues after Cloudinary's reset.
	// status.environment.changesWaiting of the endpoint is the number of changes that wait.
	ReasonRateLimited = "RateLimited"
	// ReasonReleasing means that triggers at a former URL or product environment are still to be
	// released.
	ReasonReleasing = "Releasing"
	// ReasonDeletionRefused means that Cloudinary refuses to delete a trigger. The message repeats
	// Cloudinary's. The manager retries after the next list, then less and less often, at least
	// every 10 minutes.
	ReasonDeletionRefused = "DeletionRefused"
	// ReasonCredentialsMissing means that triggers remain in a product environment to which no
	// Secret gives access any more. Restore a Secret, or annotate the object with
	// notifications.cloudinary.dev/abandon: "true".
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonVerificationKeysNotWritten means that the receiver does not get all keys of the
	// endpoint's namespace: there are too many, or the Secret with the keys of all environments is
	// full or cannot be written. Only endpoints with spec.receiver have it. The manager retries at
	// each sync.
	ReasonVerificationKeysNotWritten = "VerificationKeysNotWritten"
)

const (
	// Finalizer keeps an object until its triggers at Cloudinary are released, and a Secret until
	// no object needs it.
	Finalizer = "notifications.cloudinary.dev/cloudinary"

	// AnnotationAbandon with the value "true" ends the wait of an object that is being deleted. The
	// object goes, and a Kubernetes Event names the ids of the triggers that it leaves behind.
	AnnotationAbandon = "notifications.cloudinary.dev/abandon"

	// AnnotationRedrive on an endpoint, with any new value, makes the receiver deliver the
	// endpoint's dead letters again. status.receiver.lastHandledRedrive has the last value that was
	// carried out.
	AnnotationRedrive = "notifications.cloudinary.dev/redrive"
)
