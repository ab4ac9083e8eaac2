// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// errNoEnvironment is that nobody said which environment to check.
var errNoEnvironment = errors.New("no environment")

// environment is the one to check: that of CLOUDINARY_URL or, by --claim, a new one.
func (o *options) environment(ctx context.Context, cloudinaryURL string, progress io.Writer) (cloudinary.Credentials, error) {
	switch {
	case o.claim:
		if cloudinaryURL != "" {
			fmt.Fprintln(progress, "live check: CLOUDINARY_URL is set, and is not used because of --claim")
		}
		return o.claimed(ctx, progress)
	case cloudinaryURL == "":
		fmt.Fprintln(progress, "live check: CLOUDINARY_URL is not set, so nothing was checked; set it to cloudinary://API_KEY:API_SECRET@CLOUD_NAME, "+
			"or give --claim, which makes an environment for a day, without an account")
		return cloudinary.Credentials{}, errNoEnvironment
	}
	credentials, err := cloudinary.ParseSecret(map[string][]byte{cloudinary.KeyCloudinaryURL: []byte(cloudinaryURL)})
	if err != nil {
		return cloudinary.Credentials{}, err
	}
	if credentials.Insecure() && !isLoopback(credentials.Environment().APIBase) {
		return cloudinary.Credentials{}, errors.New(
			"CLOUDINARY_URL has an upload_prefix that is http: the secret would travel in the clear, which is allowed to this machine only")
	}
	return credentials, nil
}

// claimed makes an environment and says how to keep it, before anything can fail.
func (o *options) claimed(ctx context.Context, progress io.Writer) (cloudinary.Credentials, error) {
	claimed, err := livecheck.Claim(ctx, livecheck.ClaimOptions{Base: o.claimFrom, UserAgent: userAgent, Timeout: o.timeout})
	if err != nil {
		return cloudinary.Credentials{}, fmt.Errorf("--claim: %w", err)
	}
	fmt.Fprint(progress, claimed.Describe(time.Now()))
	return claimed.Credentials, nil
}

// setClaimFrom takes the address of an API that environments are asked of.
func (o *options) setClaimFrom(text string) error {
	base, err := cloudinary.NormalizeAPIBase(text)
	if err != nil {
		return fmt.Errorf("it %w", err)
	}
	if (cloudinary.Credentials{APIBase: base}).Insecure() && !isLoopback(base) {
		return errors.New("it is http: the secret would travel in the clear, which is allowed from this machine only")
	}
	o.claimFrom = base
	return nil
}
