// SPDX-License-Identifier: Apache-2.0

package metricsserver

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
)

// reviewer asks the API server.
type reviewer struct{ client *kube.Client }

// ask returns what the holder of a token is answered. Without audiences the token has to be for the API server itself.
func (r reviewer) ask(ctx context.Context, token string, audiences []string) (int, error) {
	who := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	if err := r.client.Create(ctx, who); err != nil {
		return 0, fmt.Errorf("review a token: %w", err)
	}
	// An authenticator that knows no audiences names none: then the token is for the API server itself.
	if !who.Status.Authenticated || len(audiences) > 0 && !slices.Equal(who.Status.Audiences, audiences) {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	may := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
	}}
	if err := r.client.Create(ctx, may); err != nil {
		return 0, fmt.Errorf("review a client's rights: %w", err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
