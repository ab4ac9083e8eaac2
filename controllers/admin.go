// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net/http"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/memory"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// adminAPI is how Cloudinary is called.
type adminAPI struct {
	transport http.RoundTripper
	lease     lease
	directory *memory.Directory
	metrics   *Metrics
	now       func() time.Time
	jittered  memory.Jitter
	options   *Options
}

// client makes a client for the credentials; fenced bounds its calls.
func (a *adminAPI) client(c cloudinary.Credentials) *cloudinary.Client {
	return cloudinary.NewClient(c, cloudinary.ClientOptions{
		Transport: a.transport, Timeout: a.options.CallTimeout, UserAgent: a.options.UserAgent, Now: a.now,
		Bases: a.options.AllowedAPIBases,
	})
}

// list calls GET /triggers, and reports whether there is a list now. The caller records that the
// credentials are accepted, once the list is where a pass finds it. The error is errNotLeader, or
// the context's.
func (a *adminAPI) list(ctx context.Context, env *memory.EnvironmentState, creds cloudinary.Credentials) (bool, error) {
	callCtx, cancel, err := a.lease.fenced(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	begun := a.now()
	triggers, meta, err := a.client(creds).ListTriggers(callCtx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	a.metrics.call(creds.CloudName, "list", err)
	a.metrics.budget(creds.CloudName, meta.RateLimit)
	env.Called(meta, a.now())
	if err == nil && !a.directory.HasRoom(creds.Environment(), memory.SizeOf(triggers)) {
		err = errNoRoom
	}
	if err != nil {
		a.failed(ctx, env, creds, err)
		return false, nil
	}
	env.KeepList(resolve.Observed(triggers), begun, a.jittered(env.Stretched(a.options.SyncInterval, begun)))
	return true, nil
}

var errNoRoom = errors.New("its list of triggers is larger than the manager has room for, beside those of other large environments")

// failed records why a call failed, and for how long to wait. Refused credentials are the Secret's
// matter and not the environment's.
func (a *adminAPI) failed(ctx context.Context, env *memory.EnvironmentState, creds cloudinary.Credentials, err error) {
	logf.FromContext(ctx).Info("A call to Cloudinary failed", "error", cloudinary.Detail(err), "requestID", cloudinary.RequestID(err))
	if cloudinary.IsUnauthorized(err) {
		a.directory.SetAccepted(creds, false)
	}
	env.Failed(err, verdict.CallProblem(creds, err), a.now(), a.jittered)
}
