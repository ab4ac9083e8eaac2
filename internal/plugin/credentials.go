// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

const (
	flagAPIBases     = "allowed-api-bases"
	flagInsecureBase = "allow-insecure-api-base"
)

func (c *cli) adminAPI(credentials cloudinary.Credentials, timeout time.Duration, bases cloudinary.APIBases) *cloudinary.Client {
	return cloudinary.NewClient(credentials, cloudinary.ClientOptions{
		Timeout: timeout, UserAgent: "kubectl-cloudinary/" + c.Version, Now: c.Now, Bases: bases,
	})
}

// secretCredentials reads credentials from a Secret.
func (cl *cluster) secretCredentials(ctx context.Context, namespace, name string) (cloudinary.Credentials, error) {
	credentials, _, err := cl.secretKeys(ctx, namespace, name)
	return credentials, err
}

// secretKeys reads credentials and signing keys from a Secret.
func (cl *cluster) secretKeys(ctx context.Context, namespace, name string) (cloudinary.Credentials, []cloudinary.SigningKey, error) {
	secret, err := cl.secret(ctx, namespace, name)
	if apierrors.IsNotFound(err) {
		return cloudinary.Credentials{}, nil, fmt.Errorf("there is no Secret %s in namespace %s; if it is in another one, name that with --namespace", name, namespace)
	}
	if err != nil {
		return cloudinary.Credentials{}, nil, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
	}
	credentials, err := cloudinary.ParseSecret(secret.Data)
	if err != nil {
		return cloudinary.Credentials{}, nil, fmt.Errorf("in Secret %s/%s: %w", namespace, name, err)
	}
	signing, err := cloudinary.ParseSigningKeys(secret.Data)
	if err != nil {
		return cloudinary.Credentials{}, nil, fmt.Errorf("in Secret %s/%s: %w", namespace, name, err)
	}
	return credentials, signing, nil
}

// envCredentials reads CLOUDINARY_URL.
func (c *cli) envCredentials() (cloudinary.Credentials, error) {
	value := c.Getenv(cloudinary.KeyCloudinaryURL)
	if value == "" {
		return cloudinary.Credentials{}, errors.New("no credentials: name a Secret with --secret, or set the environment variable CLOUDINARY_URL")
	}
	return cloudinary.ParseSecret(map[string][]byte{cloudinary.KeyCloudinaryURL: []byte(value)})
}

// parseBases reads the flag.
func parseBases(text string) (cloudinary.APIBases, error) {
	bases, err := cloudinary.ParseAPIBases(text)
	if err != nil {
		return bases, fmt.Errorf("--%s: %w", flagAPIBases, err)
	}
	return bases, nil
}

// checkBase refuses an Admin API that the user of the plugin may not have chosen.
func checkBase(credentials cloudinary.Credentials, bases cloudinary.APIBases) error {
	if bases.Allows(credentials.Environment().APIBase) {
		return nil
	}
	return fmt.Errorf("the host of upload_prefix, %s, is not one of Cloudinary's Admin APIs, so the plugin does not call it. Correct it, or allow it with --%s=%s",
		credentials.APIHost(), flagAPIBases, credentials.APIBaseToAllow())
}

func checkSecure(credentials cloudinary.Credentials, allowed bool) error {
	if credentials.Insecure() && !allowed {
		return errors.New("upload_prefix is not https, so the credentials would travel unencrypted. Use https, or --allow-insecure-api-base for a trial")
	}
	return nil
}
