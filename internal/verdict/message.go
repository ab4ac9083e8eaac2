// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// problemsOf turns a plan's findings into the problem of the spec and the problem of the state. The
// most important finding gives the reason, and the message has all of them.
func problemsOf(t *resolve.Trigger, findings []plan.Finding, use *LimitUse) (accepted, synced *resolve.Problem) {
	for _, f := range findings {
		p := &resolve.Problem{Reason: string(f.Problem), Message: message(t, f, use)}
		target := &synced
		if f.Problem.OfSpec() {
			target = &accepted
		}
		if *target == nil {
			*target = p
			continue
		}
		(*target).Message += "; " + p.Message
	}
	return accepted, synced
}

// message tells a person what is wrong and what to do. It has no time, and no count except that of
// a reached URL limit, so that an unchanged state writes nothing.
func message(t *resolve.Trigger, f plan.Finding, use *LimitUse) string {
	types := "event type " + joinNames(f.EventTypes)
	if len(f.EventTypes) > 1 {
		types = "event types " + joinNames(f.EventTypes)
	}
	switch f.Problem {
	case plan.Conflict:
		other := "an object in another namespace"
		if f.Other.Namespace == t.Namespace {
			other = "CloudinaryTrigger " + f.Other.String()
		}
		return fmt.Sprintf("%s: %s already has them at the same URL and is older; remove them from one of the two", types, other)
	case plan.AlreadyExists:
		if f.NonWebhook != nil {
			return fmt.Sprintf("%s: Cloudinary has trigger %s of uri_type %s at the same URL, and takes no other one beside it; the operator never touches such triggers; "+
				"delete that trigger, or use another URL", types, f.NonWebhook.ID, f.NonWebhook.URIType)
		}
		return fmt.Sprintf("%s: a trigger that is not the operator's exists at the same URL, and spec.adoptionPolicy is Refuse; delete that trigger, or set Adopt", types)
	case plan.URLLimitReached:
		return fmt.Sprintf("%s: %s", types, use.explain(t.Namespace, f.Message))
	case plan.Rejected:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger as it is in the spec%s; correct the spec; it is tried again then, and once an hour", types, quoteCloudinary(f.Message))
	case plan.NotConverging:
		if len(f.Missing) == len(f.EventTypes) {
			return fmt.Sprintf("%s: somebody keeps deleting the trigger, which was created anew three times within an hour; "+
				"find out who does, or take the event type out of the spec; it is tried again when the spec changes, and an hour after the last time", types)
		}
		return fmt.Sprintf("%s: Cloudinary keeps another value for %s than was sent, or somebody keeps setting it back; "+
			"nothing more is written until either side changes, and for an hour where it has changed time and again; see status.registrations for both values", types, joinNames(f.Fields))
	case plan.Drifted:
		return driftMessage(f)
	case plan.Confirming:
		return fmt.Sprintf("%s: sent; Cloudinary's list does not show it yet, it is looked at again at the next sync", types)
	case plan.Pending:
		return fmt.Sprintf("%s: to be written to Cloudinary", types)
	case plan.DeletionRefused:
		if f.NonWebhook != nil {
			return fmt.Sprintf("%s: Cloudinary's list shows trigger %s, which the operator has made, with uri_type %s; the operator never touches such triggers; "+
				"delete it in the Console", types, f.NonWebhook.ID, f.NonWebhook.URIType)
		}
		return fmt.Sprintf("%s: Cloudinary refuses to delete the trigger%s; see to it there, or delete it in the Console; "+
			"it is tried again after the next list, and then ever less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.PlaceTaken:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger since there is one already%s, and its list shows none; nothing is wrong with the spec; "+
			"it is tried again after the next list, and then ever less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.Releasing:
		return fmt.Sprintf("%s: triggers that are not wanted any more are still to be released", types)
	default:
		return fmt.Sprintf("%s: %s", types, f.Problem)
	}
}

func driftMessage(f plan.Finding) string {
	var parts []string
	if len(f.Fields) > 0 {
		parts = append(parts, "Cloudinary differs in "+joinNames(f.Fields)+", see status.observed")
	}
	if len(f.Missing) > 0 {
		parts = append(parts, "Cloudinary has no trigger for "+joinNames(f.Missing))
	}
	return strings.Join(parts, "; ") + "; spec.managementPolicy is Observe, so nothing is written"
}

// maxListed is how many names a message lists.
const maxListed = 10

func joinNames(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}

func quoteCloudinary(message string) string {
	if message == "" {
		return ""
	}
	return fmt.Sprintf(" (Cloudinary says %q)", message)
}
