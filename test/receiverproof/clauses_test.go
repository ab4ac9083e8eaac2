// SPDX-License-Identifier: Apache-2.0

package receiverproof

// clause is a sentence of docs/delivery.md. What it says is held against all that happens in a history. It counts how often a history has come
// by the case that it speaks of: a clause that no history has come by is not proven.
type clause int

const (
	// Can it be lost?
	takenByARetry clause = iota
	ownAnswer
	endedBeforeAnswer
	endedAfterAnswer
	powerLost
	deliveredByARetry
	deadOfAge
	deadByRefusal
	deadKept
	evicted
	eventWritten
	eventOverBudget
	targetRemoved
	endpointAway

	// Can it come twice?
	sentAgain
	sentAgainAfterRestart
	signedAnew
	signedAnewWithout
	answerLost
	endedBeforeNoting
	redriven
	restored
	twoTriggers
	keysForgotten
	maxAgeRaised
	endpointAnew
	sharedService
	sameIdempotencyKey

	// Can the order change?
	orderKept
	unordered
	goesOnAfterADeadLetter
	targetsDoNotWait

	// How long does it take?
	deliveredAtOnce
	deliveredAfterAPause

	// Faults, one by one.
	restarted
	takenWithoutAPIServer
	begunWithoutAPIServer
	apiConflict
	diskFull
	diskHangs
	syncFails
	cannotWrite
	queueFull
	serviceHangs
	clockSet
	begunWithWrongClock
	keyRotated

	// Nothing that is not Cloudinary's.
	forgedRefused
	staleRefused
	strangersDawdle
	severalAtOnce

	// What is told of it.
	statusAgrees
	metricsAgree
	memoryBounded
	settled

	clauses
)

// words say what each clause claims, in the order of docs/delivery.md.
func words() [clauses]string {
	return [clauses]string{
		takenByARetry:          "what was not answered with 200 is sent again, and taken then",
		ownAnswer:              "each 200 is the receiver's own, and says as what it has stored it, or that it knows it",
		endedBeforeAnswer:      "a process that ends before it has answered loses nothing that is sent again",
		endedAfterAnswer:       "what was answered with 200 outlives the process",
		powerLost:              "what was answered with 200 outlives a loss of power",
		deliveredByARetry:      "an attempt that failed is made again",
		deadOfAge:              "what is as old as retry.maxAge becomes a dead letter, and nothing sooner",
		deadByRefusal:          "what a target refuses becomes a dead letter",
		deadKept:               "a dead letter is kept until somebody redrives or discards it",
		evicted:                "dead letters beyond half of the limits are discarded, and counted",
		eventWritten:           "each notification leaves its Kubernetes Event",
		eventOverBudget:        "Events over the budget are dropped, and no others",
		targetRemoved:          "what waits for a target that was taken out is discarded after 10 minutes, not before",
		endpointAway:           "what waits for an endpoint that was deleted is delivered when it is back",
		sentAgain:              "what Cloudinary sends again is recognized",
		sentAgainAfterRestart:  "so it is by the next process",
		signedAnew:             "so it is when it is signed anew, if it has an id or an instant of its own",
		signedAnewWithout:      "what comes again since it was signed anew and has neither",
		answerLost:             "what comes again since the target's answer was lost, came too late or was an error",
		endedBeforeNoting:      "what comes again since the process ended before it had noted the target's answer",
		redriven:               "what was dead is delivered again by a redrive",
		restored:               "what comes again since the volume was restored from a backup",
		twoTriggers:            "two triggers that send equal bodies make one delivery",
		keysForgotten:          "keys beyond --store-max-keys are forgotten of whoever has most, and of no others",
		maxAgeRaised:           "a maxAge that is raised has nothing come again",
		endpointAnew:           "an endpoint that is made again knows what the one before took",
		sharedService:          "a Service that is a target of two endpoints gets what both of them take",
		sameIdempotencyKey:     "each attempt has the same Idempotency-Key",
		orderKept:              "notifications about one asset come to a target in the order of their arrival",
		unordered:              "those about several assets, or none, come in any order",
		goesOnAfterADeadLetter: "after a dead letter later ones go on",
		targetsDoNotWait:       "targets do not wait for each other",
		deliveredAtOnce:        "a target that is well has it within 2 seconds",
		deliveredAfterAPause:   "a target that is well again is tried within 5 minutes",
		restarted:              "a process that has ended is followed by another one",
		takenWithoutAPIServer:  "notifications are taken while the API server is away",
		begunWithoutAPIServer:  "a process that begins without the API server serves its last routes",
		apiConflict:            "a status that meets a conflict is written later",
		diskFull:               "a full volume is a 503, and taken again once there is room",
		diskHangs:              "a disk that hangs is a 503 within 2 seconds, for all but one",
		syncFails:              "after an fsync that failed nothing is answered with 200, and the process ends",
		cannotWrite:            "a store that cannot write its files ends the process",
		queueFull:              "an endpoint whose targets take nothing leaves room to others",
		serviceHangs:           "a Service that hangs costs other targets nothing",
		clockSet:               "a clock that is set holds nothing up",
		begunWithWrongClock:    "what comes again since a process began while the clock was set ahead",
		keyRotated:             "what the old key has signed is taken for as long as it counts",
		forgedRefused:          "what Cloudinary did not sign is neither answered with 200, stored nor delivered",
		staleRefused:           "what is older than maxAge is refused",
		strangersDawdle:        "strangers that hold on to connections keep nobody out",
		severalAtOnce:          "several of one notification at once are one delivery",
		statusAgrees:           "status says what is there",
		metricsAgree:           "metrics say what is there",
		memoryBounded:          "requests and their bodies stay within the flags' bounds",
		settled:                "when the trouble is over everything is delivered or a dead letter",
	}
}
