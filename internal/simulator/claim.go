// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

// claimLifetime is how long a claimable environment exists, as documented.
const claimLifetime = 24 * time.Hour

// claimedCloud is a claimable environment: one of its own, with no trigger in the beginning.
type claimedCloud struct {
	environment *Simulator
	expires     time.Time
}

// Cloud is a claimable environment that was made and has not expired.
type Cloud struct {
	Name      string    `json:"cloud_name"`
	ExpiresAt time.Time `json:"expires_at"`
	// Triggers are its triggers as they truly are.
	Triggers []Trigger `json:"triggers"`
}

// Clouds are the claimable environments that were made since the last reset and have not expired, ordered by name.
func (s *Simulator) Clouds() []Cloud {
	clouds := []Cloud{}
	for name, c := range s.claimedClouds() {
		clouds = append(clouds, Cloud{Name: name, ExpiresAt: c.expires, Triggers: c.environment.Triggers()})
	}
	slices.SortFunc(clouds, func(a, b Cloud) int { return cmp.Compare(a.Name, b.Name) })
	return clouds
}

// claimedClouds are those that have not expired; others are forgotten.
func (s *Simulator) claimedClouds() map[string]claimedCloud {
	now := s.options.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.claimed, func(_ string, c claimedCloud) bool { return !now.Before(c.expires) })
	return maps.Clone(s.claimed)
}

// environmentOf is the environment that answers for a cloud name: the simulator itself, unless a claimable one has it.
func (s *Simulator) environmentOf(cloud string) *Simulator {
	if c, found := s.claimedClouds()[cloud]; found {
		return c.environment
	}
	return s
}

// claimAnswer is what Cloudinary answers of a new environment, in the older of two forms or in the newer, which has no ProductEnvironments
// and the members of the first of them beside its own.
type claimAnswer struct {
	AccountID           string             `json:"account_id"`
	Email               string             `json:"email"`
	Claimed             bool               `json:"claimed"`
	ExpiresAt           string             `json:"expires_at"`
	DeliveryIPs         []string           `json:"delivery_ips"`
	ClaimURL            string             `json:"claim_url"`
	Guidance            string             `json:"guidance"`
	CloudName           string             `json:"cloud_name,omitempty"`
	APIKey              string             `json:"api_key,omitempty"`
	APISecret           string             `json:"api_secret,omitempty"`
	Variable            string             `json:"api_environment_variable,omitempty"`
	ProductEnvironments []claimEnvironment `json:"product_environments,omitempty"`
}

type claimEnvironment struct {
	ID         string     `json:"id"`
	CloudName  string     `json:"cloud_name"`
	Name       string     `json:"name"`
	Enabled    bool       `json:"enabled"`
	AccessKeys []claimKey `json:"api_access_keys"`
}

type claimKey struct {
	Key     string `json:"key"`
	Secret  string `json:"secret"`
	Enabled bool   `json:"enabled"`
}

// claim makes a claimable environment, for anybody.
func (s *Simulator) claim(req request) answer {
	if req.method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	if len(req.body) > maxBodyBytes {
		return failure(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	var wishes map[string]json.RawMessage
	if len(bytes.TrimSpace(req.body)) > 0 && json.Unmarshal(req.body, &wishes) != nil {
		return claimFailure(http.StatusBadRequest, "user_error", "", "the body must be a JSON object")
	}
	made, err := s.newCloud()
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	options := made.environment.options
	if !s.keepCloud(options.Cloud, made) {
		return claimFailure(http.StatusTooManyRequests, "rate_limited", "ip_rate_limit_exceeded",
			fmt.Sprintf("%d clouds were created from this address; try again later", s.options.ClaimLimit))
	}
	return success(http.StatusOK, s.describe(made))
}

// newCloud is an environment that behaves as this one does, with a name and credentials of its own.
func (s *Simulator) newCloud() (claimedCloud, error) {
	options := s.options
	options.Cloud, options.APIKey, options.APISecret = "sim"+sample.NewID()[:12], randomDigits(15), rand.Text()+"-"
	options.AdditionalCredentials, options.OAuthTokens = nil, nil
	environment, err := New(options)
	if err != nil {
		return claimedCloud{}, err
	}
	return claimedCloud{environment: environment, expires: s.now().Add(claimLifetime)}, nil
}

// keepCloud reports whether there may be one more.
func (s *Simulator) keepCloud(name string, made claimedCloud) bool {
	s.claimedClouds()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.claimed) >= s.options.ClaimLimit {
		return false
	}
	s.claimed[name] = made
	return true
}

func (s *Simulator) describe(made claimedCloud) claimAnswer {
	options := made.environment.options
	described := claimAnswer{
		AccountID: sample.NewID(), Email: options.Cloud + "@cloud.invalid", ExpiresAt: made.expires.Format(time.RFC3339),
		// Of the caller. Delivery is not simulated, so that it does not matter.
		DeliveryIPs: []string{"203.0.113.1"},
		ClaimURL:    "https://claim.invalid/claim?token=" + sample.NewID(),
		Guidance:    "Simulated. Claim it before it expires.",
	}
	if s.options.ClaimAnswer == ClaimNested {
		described.ProductEnvironments = []claimEnvironment{{
			ID: sample.NewID(), CloudName: options.Cloud, Name: options.Cloud, Enabled: true,
			AccessKeys: []claimKey{{Key: options.APIKey, Secret: options.APISecret, Enabled: true}},
		}}
		return described
	}
	described.CloudName, described.APIKey, described.APISecret = options.Cloud, options.APIKey, options.APISecret
	// With the name before it, as Cloudinary writes it; without an upload_prefix, as there.
	described.Variable = "CLOUDINARY_URL=cloudinary://" + options.APIKey + ":" + options.APISecret + "@" + options.Cloud
	return described
}

// claimFailure is an error as the call for a claimable environment has it: with more than those of the Admin API.
func claimFailure(status int, category, code, message string) answer {
	type details struct {
		Category string `json:"category"`
		Code     string `json:"code,omitempty"`
		Message  string `json:"message"`
	}
	return success(status, map[string]details{"error": {Category: category, Code: code, Message: message}})
}

// closeClouds ends the deliveries of claimable environments.
func (s *Simulator) closeClouds(ctx context.Context) {
	for _, c := range s.claimedClouds() {
		c.environment.Close(ctx)
	}
}

type cloudList struct {
	Clouds []Cloud `json:"clouds"`
}

func (s *Simulator) controlClouds(request) answer {
	return success(http.StatusOK, cloudList{Clouds: s.Clouds()})
}

// randomDigits has no 0 in front, as Cloudinary's API keys.
func randomDigits(count int) string {
	var digits strings.Builder
	digits.WriteByte('1')
	for range count - 1 {
		// crypto/rand.Reader never returns an error.
		digit, _ := rand.Int(rand.Reader, big.NewInt(10))
		digits.WriteString(digit.String())
	}
	return digits.String()
}
