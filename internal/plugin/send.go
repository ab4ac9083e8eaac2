// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

const longSend = `Send a notification to an endpoint as Cloudinary would: of any event type, and signed with a key of the endpoint's own Secret, which
you must be allowed to read: its API secret or, if spec.receiver.verification.apiKeys does not name that key, a signing.<API_KEY> that it names.

It goes to the endpoint's URL, or to --url: if that has only a host, the path of the endpoint's URL is appended. The bundled
receiver treats it like any other: it stores it, delivers it to the endpoint's targets and counts it. Its answer has the id of the
stored notification. A 200 without that id comes from something else, such as a login page: Cloudinary would accept it, and its notifications
would be lost.

With --wait, it is followed to the endpoint's targets: the receiver's admin listener is asked, by a port-forward to its Pod.

The exit code is 0 if the notification is stored and, with --wait, delivered to each target; else 1.`

const exampleSend = `  # A sample upload
  kubectl cloudinary send media -n shop --event-type upload

  # And wait until the targets have it
  kubectl cloudinary send media -n shop --wait --timeout 30s

  # Around the load balancer
  kubectl port-forward -n cloudinary-operator-system deploy/cloudinary-operator-receiver 8080 &
  kubectl cloudinary send media -n shop --event-type delete --url http://127.0.0.1:8080

  # A body of your own, signed with SHA-256
  kubectl cloudinary send media -n shop --payload body.json --algorithm sha256`

const (
	sendTimeout = 20 * time.Second // as long as Cloudinary waits
	maxAnswer   = 4 << 10
	maxPayload  = 10 << 20
)

type sendOptions struct {
	eventType string
	payload   string
	url       string
	algorithm string
	wait      bool
	timeout   time.Duration
	receiver  receiverOptions
	output    output
}

func (c *cli) sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use: "send ENDPOINT", Short: "Send a signed sample notification to an endpoint", Long: longSend, Example: exampleSend,
		Args:              exactlyOne("ENDPOINT"),
		ValidArgsFunction: c.completeNames(endpointNames),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.send(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.eventType, "event-type", "upload", "The event type of the sample.")
	f.StringVar(&o.payload, "payload", "", "A file with the body to send byte for byte instead of a sample, or - for the standard input.")
	f.StringVar(&o.url, "url", "", "Where to send it. Default: the endpoint's URL.")
	f.StringVar(&o.algorithm, "algorithm", string(sample.SHA1), "How to sign: sha1, Cloudinary's default, or sha256.")
	f.BoolVar(&o.wait, "wait", false, "Wait until each target of the endpoint has it, or has refused it.")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "How long to wait with --wait.")
	orEnv(f, "url", envReceiverURL)
	c.addReceiver(cmd, &o.receiver)
	addOutput(cmd, &o.output, outputJSON, outputYAML)
	completeEventTypes(cmd)
	_ = cmd.RegisterFlagCompletionFunc("algorithm", cobra.FixedCompletions(algorithms(), cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
	return cmd
}

func algorithms() []string {
	return []string{string(sample.SHA1), string(sample.SHA256)}
}

// exactlyOne is cobra.ExactArgs with a message that names the missing argument.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("needs exactly one %s, and got %d; see '%s --help'", what, len(args), cmd.CommandPath())
	}
}

// sent is what send prints as JSON.
type sent struct {
	URL       string `json:"url"`
	EventType string `json:"eventType"`
	Bytes     int    `json:"bytes"`
	Timestamp string `json:"timestamp"`
	Status    int    `json:"status"`
	Answer    string `json:"answer,omitempty"`
	Duration  string `json:"duration"`
	// Stored is the bundled receiver's header: an id, or "known". It is empty if something else
	// answered.
	Stored  string      `json:"stored,omitempty"`
	Targets []delivered `json:"targets,omitempty"`
	Next    string      `json:"next,omitempty"`
}

// another reports whether something else answered in place of the bundled receiver, with the one
// status that Cloudinary checks.
func (s *sent) another(ep *v1alpha1.NotificationEndpoint) bool {
	return s.Status == http.StatusOK && s.Stored == "" && ep.Spec.Receiver != nil
}

// follows reports whether the notification can be followed to the targets.
func (s *sent) follows() bool { return s.Stored != "" && s.Stored != notification.StoredBefore }

func (c *cli) send(ctx context.Context, name string, o sendOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	ep, err := cl.endpoint(ctx, name)
	if err != nil {
		return err
	}
	target, err := o.target(ep)
	if err != nil {
		return err
	}
	credentials, signing, err := cl.secretKeys(ctx, ep.Namespace, ep.Spec.CredentialsSecretRef.Name)
	if err != nil {
		return err
	}
	key, err := signingKey(ep, credentials, signing)
	if err != nil {
		return err
	}
	body, err := c.payload(o, credentials.CloudName, key.APIKey)
	if err != nil {
		return err
	}
	var admin *adminClient
	if o.wait { // before anything is sent: what cannot be followed need not be
		if admin, err = c.reach(ctx, cl, o.receiver); err != nil {
			return err
		}
		defer admin.close()
	}
	result, err := c.post(ctx, target, body, o, key.Secret)
	if err != nil {
		return err
	}
	result.Next = nextAfter(result, ep)
	var lost error
	if o.wait && result.follows() {
		lost = admin.await(ctx, ep, result, o.timeout)
	}
	return errors.Join(c.printSent(result, ep, o), lost)
}

// await waits for the targets of the notification, and returns an error if a target lacks it in the
// end.
func (a *adminClient) await(ctx context.Context, ep *v1alpha1.NotificationEndpoint, result *sent, timeout time.Duration) (err error) {
	if result.Targets, err = a.follow(ctx, ep, result.Stored, timeout); err != nil {
		return err
	}
	return deliveryError(result.Targets, timeout)
}

func (o *sendOptions) target(ep *v1alpha1.NotificationEndpoint) (string, error) {
	if o.wait && ep.Spec.Receiver == nil {
		return "", fmt.Errorf("--wait needs an endpoint with spec.receiver: a notification cannot be followed at the url of endpoint %s", ep.Name)
	}
	return targetURL(ep, o.url)
}

func (o *sendOptions) check() error {
	if err := o.output.check(); err != nil {
		return err
	}
	if !slices.Contains(algorithms(), o.algorithm) {
		return fmt.Errorf("--algorithm %q is not one of %s", o.algorithm, strings.Join(algorithms(), ", "))
	}
	return checkEventType(o.eventType)
}

func checkEventType(eventType string) error {
	switch {
	case eventType == "all":
		return errors.New("--event-type all is for triggers: an event has a type of its own, for example upload")
	case notification.KnownEventType(eventType):
		return nil
	}
	if closest := notification.ClosestEventType(eventType); closest != "" {
		return fmt.Errorf("--event-type %q is not known; did you mean %q?", eventType, closest)
	}
	return fmt.Errorf("--event-type %q is not known; those are %s", eventType, strings.Join(sampleEventTypes(), ", "))
}

// targetURL is the endpoint's URL, or another one with its path.
func targetURL(ep *v1alpha1.NotificationEndpoint, override string) (string, error) {
	own := ep.Status.URL
	if own == "" {
		own = ep.Spec.URL
	}
	if override == "" {
		if own == "" {
			return "", fmt.Errorf("endpoint %s has no status.url yet: the manager has not accepted it, see kubectl describe nep %s; or use --url", ep.Name, ep.Name)
		}
		return own, nil
	}
	u, err := url.Parse(override)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("--url must be an http or https address, for example http://127.0.0.1:8080")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return override, nil
	}
	if o, err := url.Parse(own); err == nil && own != "" {
		u.Path, u.RawPath, u.RawQuery = o.Path, o.RawPath, o.RawQuery
		return u.String(), nil
	}
	switch r := ep.Spec.Receiver; {
	case r == nil:
	case r.Path == v1alpha1.ReceiverPathPlain:
		u.Path = notification.Path(ep.Namespace, ep.Name)
	default:
		return "", fmt.Errorf("endpoint %s has no status.url yet, and nobody but the manager can compute it: see kubectl describe nep %s; or give the whole address with --url", ep.Name, ep.Name)
	}
	return u.String(), nil
}

// signingKey is the first key of the endpoint's own Secret whose signatures count for it: the API
// key, then signing.<API_KEY> in their order.
func signingKey(ep *v1alpha1.NotificationEndpoint, credentials cloudinary.Credentials, signing []cloudinary.SigningKey) (cloudinary.SigningKey, error) {
	var keys []cloudinary.SigningKey
	if credentials.APISecret != "" {
		keys = append(keys, cloudinary.SigningKey{APIKey: credentials.APIKey, Secret: credentials.APISecret})
	}
	keys = append(keys, signing...)
	name := ep.Spec.CredentialsSecretRef.Name
	if len(keys) == 0 {
		return cloudinary.SigningKey{}, fmt.Errorf("the Secret %s has an OAuth token and no api_secret, so nothing can be signed with it; "+
			"add api_key and api_secret, or signing.<API_KEY>", name)
	}
	if ep.Spec.Receiver == nil || ep.Spec.Receiver.Verification == nil || len(ep.Spec.Receiver.Verification.APIKeys) == 0 {
		return keys[0], nil
	}
	counting := ep.Spec.Receiver.Verification.APIKeys
	i := slices.IndexFunc(keys, func(k cloudinary.SigningKey) bool { return slices.Contains(counting, k.APIKey) })
	if i < 0 {
		return cloudinary.SigningKey{}, fmt.Errorf("the Secret %s has none of the API keys whose signatures count for endpoint %s by spec.receiver.verification.apiKeys: %s; "+
			"add the secret of one of them as signing.<API_KEY>", name, ep.Name, strings.Join(counting, ", "))
	}
	return keys[i], nil
}

func (c *cli) payload(o sendOptions, cloud, apiKey string) ([]byte, error) {
	if o.payload == "" {
		return sample.Notification(o.eventType, cloud, apiKey, c.Now()), nil
	}
	body, err := c.readFile(o.payload)
	if err != nil {
		return nil, fmt.Errorf("--payload: %w", err)
	}
	if !isObject(body) {
		c.warn("the payload is not a JSON object, which the bundled receiver refuses; it is sent as it is")
	}
	return body, nil
}

// readFile reads a file, or the standard input for -.
func (c *cli) readFile(name string) ([]byte, error) {
	in := c.Streams.In
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the user's own file
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxPayload+1))
	if err == nil && len(raw) > maxPayload {
		err = fmt.Errorf("%s has more than %d bytes", name, maxPayload)
	}
	return raw, err
}

func (c *cli) post(ctx context.Context, target string, body []byte, o sendOptions, secret string) (*sent, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL cannot be called") // the cause would repeat it
	}
	begun := c.Now()
	req.Header = sample.Sign(sample.Algorithm(o.algorithm), body, begun, secret)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Cloudinary")
	client := &http.Client{
		Transport:     cloudinary.NewTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s: no answer within %s, which is as long as Cloudinary waits", redacted(target), sendTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; if the address is not to be reached from here, port-forward to the receiver and use --url", redacted(target), withoutURL(err))
	}
	defer resp.Body.Close()
	// The status counts, regardless of the body.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return &sent{
		URL: redacted(target), EventType: o.eventType, Bytes: len(body), Timestamp: req.Header.Get("X-Cld-Timestamp"),
		Status: resp.StatusCode, Answer: string(answer), Stored: storedAs(resp), Duration: c.Now().Sub(begun).Round(time.Millisecond).String(),
	}, nil
}

// storedAs is the header of the bundled receiver for a stored notification.
func storedAs(resp *http.Response) string {
	said := resp.Header.Get(notification.HeaderStored)
	if _, err := strconv.ParseUint(said, 10, 64); resp.StatusCode != http.StatusOK || err != nil && said != notification.StoredBefore {
		return ""
	}
	return said
}

// withoutURL removes the URL, which may have a token.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// nextAfter is the advice after an answer.
func nextAfter(s *sent, ep *v1alpha1.NotificationEndpoint) string {
	status, answer := s.Status, strings.TrimSpace(s.Answer)
	describe := fmt.Sprintf("kubectl describe nep -n %s %s", ep.Namespace, ep.Name)
	switch {
	case s.another(ep):
		return "it is NOT stored: something other than the bundled receiver has answered 200, such as a login page, a proxy or a default backend. Cloudinary accepts that answer, so its " +
			"notifications are lost there. Does the address lead to the receiver? Or a proxy takes the header " + notification.HeaderStored + " off its answers, or the receiver is older than this plugin"
	case s.Stored == notification.StoredBefore:
		return "the receiver had this notification already: it is not delivered again"
	case s.Stored != "":
		return "it is stored, as notification " + s.Stored + ". Follow it with: kubectl cloudinary status -n " + ep.Namespace + ", and in a minute with: " + describe
	case status == http.StatusOK:
		return "Cloudinary counts 200 as delivered. Only the owner of that address can tell whether the endpoint has it"
	case ep.Spec.Receiver == nil:
		return "only 200 counts for Cloudinary, which would retry after 3, 6 and 9 minutes. Ask the owner of that address"
	case status == http.StatusUnauthorized && answer == "unauthorized":
		return "the receiver refuses it, and does not tell strangers the reason. It is in " + describe + " in a minute, as Rejected of the receiver's status, with the condition Verifying, and in " +
			"cloudinary_receiver_requests_rejected_total at once. Does the receiver know this Secret's API secret, allow the algorithm, and serve this path, which ends as status.url does?"
	case status == http.StatusUnauthorized:
		return fmt.Sprintf("the receiver does not accept the signature (%s): does it have this Secret's keys yet, and does it allow the algorithm? See %s, condition Verifying", answer, describe)
	case status == http.StatusNotFound:
		return "no endpoint of the bundled receiver has this path, or something else answers at this address"
	case status == http.StatusServiceUnavailable:
		return fmt.Sprintf("the receiver cannot store it now (%s), and Cloudinary would retry; see %s, and the receiver's log", answer, describe)
	case status >= 300 && status < 400:
		return "something in front of the receiver redirects, which Cloudinary is not known to follow"
	default:
		return "something in front of the receiver may have answered; its log says whether the request arrived"
	}
}

func (c *cli) printSent(s *sent, ep *v1alpha1.NotificationEndpoint, o sendOptions) error {
	done, err := o.output.structured(c.Streams.Out, s)
	if !done {
		fmt.Fprintf(c.Streams.Out, "sent    %s, %d bytes, to %s\n", s.EventType, s.Bytes, s.URL)
		answer := strconv.Itoa(s.Status)
		if said := printable(strings.TrimSpace(s.Answer)); said != "" {
			answer += " " + said
		}
		fmt.Fprintf(c.Streams.Out, "answer  %s%s, after %s\n", c.style().mark(s.Status == http.StatusOK && !s.another(ep)), answer, s.Duration)
		c.printTargets(s, o)
		fmt.Fprintf(c.Streams.Out, "next    %s\n", printable(s.Next))
	}
	switch {
	case err != nil:
		return err
	case s.Status != http.StatusOK:
		return fmt.Errorf("endpoint %s answered %d, and only 200 counts", ep.Name, s.Status)
	case s.another(ep):
		return fmt.Errorf("something other than the bundled receiver has answered for endpoint %s", ep.Name)
	}
	return nil
}

func (c *cli) printTargets(s *sent, o sendOptions) {
	for i := range s.Targets {
		fmt.Fprintf(c.Streams.Out, "target  %s%s\n", c.style().mark(s.Targets[i].well()), printable(s.Targets[i].String()))
	}
	if o.wait && s.follows() && len(s.Targets) == 0 {
		fmt.Fprintln(c.Streams.Out, "target  no target has it queued: it was delivered at once, or no target of the endpoint accepts this event type")
	}
}
