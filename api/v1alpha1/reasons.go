// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// remedy is what ends the state that a reason names.
type remedy int

const (
	// nothingToDo: all is well.
	nothingToDo remedy = iota
	// byPerson: nothing changes before a person acts. With such a reason of Accepted or Synced,
	// Stalled is True. With any other reason that is not nothingToDo, Reconciling is True.
	byPerson
	// byCalls: the next calls to Cloudinary end it. While no calls are possible, the condition has
	// the reason for that instead.
	byCalls
	// byCloudinary: Cloudinary's answer ends it. The reason says nothing about the object, so the
	// former conditions still hold.
	byCloudinary
	// byItself: a change elsewhere, in the cluster or at Cloudinary, ends it.
	byItself
)

// state is a condition's type and status.
type state struct {
	condition string
	status    metav1.ConditionStatus
}

// The states in which a condition has its own reasons. Ready, Reconciling and Stalled have the
// reason of Accepted or Synced. Only Ready=True has its own.
var (
	accepted        = state{ConditionAccepted, metav1.ConditionTrue}
	notAccepted     = state{ConditionAccepted, metav1.ConditionFalse}
	synced          = state{ConditionSynced, metav1.ConditionTrue}
	notSynced       = state{ConditionSynced, metav1.ConditionFalse}
	syncedUnknown   = state{ConditionSynced, metav1.ConditionUnknown}
	ready           = state{ConditionReady, metav1.ConditionTrue}
	verifying       = state{ConditionVerifying, metav1.ConditionTrue}
	notVerifying    = state{ConditionVerifying, metav1.ConditionFalse}
	verifyingUnsure = state{ConditionVerifying, metav1.ConditionUnknown}
	delivering      = state{ConditionDelivering, metav1.ConditionTrue}
	notDelivering   = state{ConditionDelivering, metav1.ConditionFalse}
)

// meaning is the properties of a reason.
type meaning struct {
	remedy remedy
	states []state
}

// reasons is the table of all reasons. The constants say what each one means.
var reasons = map[string]meaning{
	ReasonAccepted:  {nothingToDo, []state{accepted}},
	ReasonSynced:    {nothingToDo, []state{synced}},
	ReasonReady:     {nothingToDo, []state{ready}},
	ReasonVerified:  {nothingToDo, []state{verifying}},
	ReasonDelivered: {nothingToDo, []state{delivering}},

	ReasonEndpointNotFound:       {byItself, []state{notAccepted}},
	ReasonEndpointNotAllowed:     {byPerson, []state{notAccepted}},
	ReasonEndpointNotAccepted:    {byPerson, []state{notAccepted}},
	ReasonEndpointWaiting:        {byItself, []state{notAccepted}},
	ReasonEndpointDeleting:       {byItself, []state{notAccepted}},
	ReasonSecretNotFound:         {byItself, []state{notAccepted}},
	ReasonSecretInvalid:          {byPerson, []state{notAccepted}},
	ReasonSecretForbidden:        {byPerson, []state{notAccepted}},
	ReasonInvalidURL:             {byPerson, []state{notAccepted}},
	ReasonBaseURLMissing:         {byPerson, []state{notAccepted}},
	ReasonPathKeyUnavailable:     {byPerson, []state{notAccepted}},
	ReasonInsecureAPIBase:        {byPerson, []state{notAccepted}},
	ReasonAPIBaseNotAllowed:      {byPerson, []state{notAccepted}},
	ReasonInvalidFilter:          {byPerson, []state{notAccepted}},
	ReasonInvalidPayloadTemplate: {byPerson, []state{notAccepted}},
	ReasonPublicKeyMissing:       {byPerson, []state{notAccepted}},
	ReasonInvalidPublicKey:       {byPerson, []state{notAccepted}},
	ReasonAlgorithmNotAllowed:    {byPerson, []state{notAccepted, verifyingUnsure}},
	ReasonNeedsClusterScope:      {byPerson, []state{notAccepted}},
	ReasonInvalidSelector:        {byPerson, []state{notAccepted}},
	ReasonConflict:               {byPerson, []state{notAccepted}},
	ReasonAlreadyExists:          {byPerson, []state{notAccepted}},
	ReasonURLLimitReached:        {byPerson, []state{notAccepted}},
	ReasonRejected:               {byPerson, []state{notAccepted}},

	ReasonNotAccepted:                {byItself, []state{notSynced}},
	ReasonPending:                    {byCalls, []state{notSynced}},
	ReasonConfirming:                 {byCalls, []state{notSynced}},
	ReasonReleasing:                  {byCalls, []state{notSynced}},
	ReasonPlaceTaken:                 {byItself, []state{notSynced}},
	ReasonNotConverging:              {byPerson, []state{notSynced}},
	ReasonDrifted:                    {byPerson, []state{notSynced}},
	ReasonDeletionRefused:            {byPerson, []state{notSynced}},
	ReasonCredentialsRejected:        {byPerson, []state{notSynced}},
	ReasonCredentialsMissing:         {byPerson, []state{notSynced}},
	ReasonVerificationKeysNotWritten: {byPerson, []state{notSynced}},
	ReasonUnavailable:                {byCloudinary, []state{notSynced, syncedUnknown}},
	ReasonRateLimited:                {byCloudinary, []state{notSynced, syncedUnknown}},

	ReasonVerificationKeysMissing: {byItself, []state{notVerifying}},
	ReasonSignaturesDoNotMatch:    {byPerson, []state{verifyingUnsure}},
	ReasonOnlySignatureV2:         {byPerson, []state{verifyingUnsure}},
	ReasonTimestampsRefused:       {byPerson, []state{verifyingUnsure}},
	ReasonSignatureHeadersMissing: {byPerson, []state{verifyingUnsure}},
	ReasonNothingVerified:         {byPerson, []state{verifyingUnsure}},

	ReasonTargetFailing: {byItself, []state{notDelivering}},
	ReasonDeadLetters:   {byPerson, []state{notDelivering}},
}

// NeedsPerson reports whether nothing changes before a person acts.
func NeedsPerson(reason string) bool { return reasons[reason].remedy == byPerson }

// WaitsForCalls reports whether the next calls to Cloudinary would end the state.
func WaitsForCalls(reason string) bool { return reasons[reason].remedy == byCalls }

// IsTransient reports whether the reason speaks of Cloudinary and not of the object, and clears
// without a person.
func IsTransient(reason string) bool { return reasons[reason].remedy == byCloudinary }

// ReasonsOf returns the own reasons of a condition with a status, sorted.
func ReasonsOf(condition string, status metav1.ConditionStatus) []string {
	var found []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		if slices.Contains(reasons[reason].states, state{condition, status}) {
			found = append(found, reason)
		}
	}
	return found
}
