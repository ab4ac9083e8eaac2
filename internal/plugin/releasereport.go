// SPDX-License-Identifier: Apache-2.0

package plugin

// releaseReport is what release did, for programs.
type releaseReport struct {
	DryRun  bool             `json:"dryRun"`
	Objects []releasedObject `json:"objects"`
}

type releasedObject struct {
	Object     string        `json:"object"` // as on the command line, such as cldt/uploads
	Namespace  string        `json:"namespace"`
	Deleted    bool          `json:"deleted"`  // and not only its finalizer taken off
	Released   bool          `json:"released"` // false after --dry-run, and where there is an error
	Error      string        `json:"error,omitempty"`
	LeftBehind []leftTrigger `json:"leftBehind,omitempty"`
}

// leftTrigger is a trigger at Cloudinary that stays, or that needs the object.
type leftTrigger struct {
	ID          string `json:"id,omitempty"` // absent: it was being created
	EventType   string `json:"eventType"`
	URL         string `json:"url"` // cut to scheme and host, unless it is the receiver's
	Environment string `json:"environment"`
	HeldBy      string `json:"heldBy"` // the CloudinaryTrigger, as namespace/name
}

// report is the result for each object. errs has the objects that could not be released.
func (o *releaseOptions) report(found []*releasable, errs map[*releasable]error) releaseReport {
	report := releaseReport{DryRun: o.dryRun, Objects: []releasedObject{}}
	for _, r := range found {
		told := releasedObject{
			Object: r.String(), Namespace: r.GetNamespace(), Deleted: r.deleting() || !r.keep && o.delete, Released: !o.dryRun && errs[r] == nil,
		}
		if err := errs[r]; err != nil {
			told.Error = err.Error()
		}
		for _, l := range r.left {
			told.LeftBehind = append(told.LeftBehind, leftTrigger{
				ID: l.id, EventType: l.eventType, URL: redacted(l.url), Environment: l.environment, HeldBy: l.holder.String(),
			})
		}
		report.Objects = append(report.Objects, told)
	}
	return report
}
