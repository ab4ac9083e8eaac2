// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

const (
	// failingAttempts in a row make a target one that fails, as do fewer of them for failingFor: one attempt that
	// fails is what retries are for.
	failingAttempts = 3
	failingFor      = 15 * time.Second

	// maxNamed is how many targets a message names.
	maxNamed = 4
)

// health is what Delivering is judged by, for one target.
type health struct {
	name string
	// gone says that the spec does not have it any more.
	gone bool
	// paused says that the dispatcher leaves the target alone for a while.
	paused bool
	// failures is how many attempts failed since one went well, the first of them at failingSince.
	failures     int
	failingSince time.Time
	failure      string
	delivered    int64
	waiting      int
	dead         int
}

func (h *health) failing(now time.Time) bool {
	switch {
	case h.waiting == 0 && h.dead == 0:
		return false // nothing is left that could show it
	case h.paused || h.failures >= failingAttempts:
		return true
	default:
		return h.failures > 0 && h.waiting > 0 && now.Sub(h.failingSince) >= failingFor
	}
}

// delivering judges Delivering, by the targets in the order of the spec.
//
//	a target fails | dead letters | anything delivered | then
//	---------------+--------------+--------------------+---------------------
//	yes            |              |                    | False: TargetFailing
//	no             | yes          |                    | False: DeadLetters
//	no             | no           | yes, or judged before | True: Delivered
//	no             | no           | no                 | absent
//
// Its message has no number and no time in it, so that it stays while nothing changes.
func delivering(targets []health, before judgment, now time.Time) judgment {
	var failing, dead, gone []string
	failure, delivered := "", before.status != ""
	for i := range targets {
		h := &targets[i]
		if h.failing(now) {
			if failing = append(failing, h.name); len(failing) == 1 {
				failure = h.failure
			}
		}
		switch {
		case h.dead > 0 && h.gone:
			gone = append(gone, h.name)
		case h.dead > 0:
			dead = append(dead, h.name)
		}
		delivered = delivered || h.delivered > 0
	}
	switch {
	case len(failing) > 0:
		return judgment{metav1.ConditionFalse, v1alpha1.ReasonTargetFailing, failingMessage(failing, failure)}
	case len(dead)+len(gone) > 0:
		return judgment{metav1.ConditionFalse, v1alpha1.ReasonDeadLetters, deadMessage(dead, gone)}
	case delivered && len(targets) > 0:
		return judgment{metav1.ConditionTrue, v1alpha1.ReasonDelivered, "Each target has what it was to get, or is about to."}
	default:
		return judgment{}
	}
}

func deadMessage(dead, gone []string) string {
	var sentences []string
	if len(dead) > 0 {
		sentences = append(sentences, "Notifications were given up for "+named(dead)+" and are kept. Once the cause is gone, have them delivered "+
			"again by giving this object the annotation "+v1alpha1.AnnotationRedrive+" with any new value.")
	}
	if len(gone) > 0 {
		sentences = append(sentences, "Notifications were given up for "+named(gone)+" and are kept, though the spec names no such target any more. "+
			"Bring it back, or discard them: kubectl cloudinary deadletters discard.")
	}
	return strings.Join(sentences, " ")
}

func failingMessage(failing []string, failure string) string {
	message := "Deliveries fail to " + named(failing)
	switch failure = strings.TrimRight(failure, ". "); {
	case failure == "":
	case len(failing) == 1:
		message += ": " + failure
	default:
		message += "; to " + failing[0] + ": " + failure
	}
	return message + ". They are tried again, ever less often, until spec.receiver.retry.maxAge."
}

// named lists targets.
func named(names []string) string {
	if len(names) == 1 {
		return "the target " + names[0]
	}
	more := ""
	if len(names) > maxNamed {
		names, more = names[:maxNamed], " and others"
	}
	return "the targets " + strings.Join(names, ", ") + more
}

// doubtful says whether time alone may change the judgment.
func doubtful(targets []health) bool {
	for i := range targets {
		if targets[i].failures > 0 {
			return true
		}
	}
	return false
}
