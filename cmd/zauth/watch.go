package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// watchFlags are the flags of zauth watch.
type watchFlags struct {
	linkFlags
	publish  []string
	domain   string
	identity string
	key      string
	address  string
	refused  bool
	asJSON   bool
}

func newWatch() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:        "watch",
		Short:      "Show decisions while zauth makes them",
		SuggestFor: []string{"tail", "log", "logs", "follow", "monitor"},
		Long: `Watch prints each decision of a running zauth: who asked, which client, and for a
refusal why, by which rule, and how to admit that client. A refusal that repeats is
printed once, with a count.

Watch ends with SIGINT. When zauth stops, watch says so and waits for its return. With
several --publish, it prints the decisions of several zauths.`,
		Example: `  zauth watch --refused
  zauth watch --domain payments --json
  zauth watch --publish tcp://192.0.2.1:9128 --cert me.key_secret --server-key zauth.key`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.watch(cmd) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.publish, "publish", nil, "show what is published at `ENDPOINT`; repeatable (default: $ZAUTH_PUBLISH, or the socket of this user's zauth)")
	f.linkFlags.add(flags)
	flags.StringVar(&f.domain, "domain", "", "show only decisions for this ZAP `DOMAIN`")
	flags.StringVar(&f.identity, "identity", "", "show only decisions about the identity or account `NAME`")
	flags.StringVar(&f.key, "key", "", "show only decisions about this `KEY` or fingerprint")
	flags.StringVar(&f.address, "address", "", "show only decisions about clients at this IP `ADDRESS`")
	flags.BoolVar(&f.refused, "refused", false, "show only clients that are not admitted")
	flags.BoolVar(&f.asJSON, "json", false, "print each decision as a line of JSON")
	return cmd
}

// watch prints decisions until a signal ends it.
func (f watchFlags) watch(cmd *cobra.Command) error {
	if err := cmp.Or(f.check(), f.checkFilters()); err != nil {
		return err
	}
	endpoints := f.publish
	if len(endpoints) == 0 {
		at, err := find("", publishVariable, decisionsSocket)
		if err != nil {
			return err
		}
		endpoints = []string{at}
	}
	var security zmq4.Security
	for _, at := range endpoints {
		link, err := f.config(at)
		if err != nil {
			return err
		}
		if link.Mechanism == zap.Curve {
			security = zmq4.CurveClient(link.Key, link.ServerKey)
		}
	}
	socket := zmq4.NewSub(cmd.Context(), zmq4.WithSecurity(security), zmq4.WithReconnect(0, time.Second), zmq4.WithLogger(nil),
		zmq4.WithHeartbeat(watchHeartbeat, watchHeartbeat), zmq4.WithEvents(connectionNotes(cmd)))
	defer socket.Close()
	for _, topic := range f.topics() {
		if err := socket.SetOption(zmq4.OptionSubscribe, topic); err != nil {
			return err
		}
	}
	for _, at := range endpoints {
		if err := socket.Dial(at); err != nil {
			return err
		}
	}
	return f.show(cmd, socket)
}

// watchHeartbeat is how soon watch notices that zauth is gone without closing its connections.
const watchHeartbeat = 10 * time.Second

// fingerprint is the form of a fingerprint in decisions.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// checkFilters returns an error if no decision can have what a flag asks for.
func (f watchFlags) checkFilters() error {
	if _, err := curve.ParsePublicKey(f.key); f.key != "" && err != nil && !fingerprint.MatchString(f.key) {
		return cli.Hint(cli.Usagef("--key %q: must be a public key, or a whole fingerprint that begins with SHA256", f.key), "zcert fingerprint FILE prints it")
	}
	if _, err := netip.ParseAddr(f.address); f.address != "" && err != nil {
		return cli.Usagef("--address %q: must be an IP address", f.address)
	}
	return nil
}

// topics returns what to subscribe to: the beginnings of topics.
func (f watchFlags) topics() (topics []string) {
	if f.domain == "" && !f.refused {
		return []string{""}
	}
	for _, status := range []zap.Status{zap.StatusOK, zap.StatusTryLater, zap.StatusRefused, zap.StatusError} {
		if status != zap.StatusOK || !f.refused {
			topics = append(topics, control.Topic(int(status), f.domain))
		}
	}
	return topics
}

// connectionNotes returns a function that tells people when a zauth is there, and when it is
// gone.
func connectionNotes(cmd *cobra.Command) func(sockets.Event) {
	waiting := map[string]bool{}
	return func(e sockets.Event) {
		switch {
		case cmd.Context().Err() != nil:
		case e.Kind == sockets.Ready:
			waiting[e.Endpoint] = false
			cli.Note(cmd, "watching %s", e.Endpoint)
		case !waiting[e.Endpoint]:
			waiting[e.Endpoint] = true
			e.Retry = 0
			cli.Warn(cmd, "%v; waiting for zauth", e)
		}
	}
}

// show prints what a socket receives.
func (f watchFlags) show(cmd *cobra.Command, socket zmq4.Socket) error {
	var lost gaps
	for {
		msg, err := zmq4.RecvContext(cmd.Context(), socket)
		if cmd.Context().Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var e control.Event
		if len(msg.Frames) != 2 || json.Unmarshal(msg.Frames[1], &e) != nil {
			cli.Warn(cmd, "ignored a message that zauth does not publish")
			continue
		}
		if n := lost.before(string(msg.Frames[0]), e); n > 0 {
			cli.Warn(cmd, "missed %s", count(int(n), "decision"))
		}
		if !f.selects(e) {
			continue
		}
		if err := cli.Print(cmd, func(out io.Writer) {
			if f.asJSON {
				fmt.Fprintf(out, "%s\n", msg.Frames[1])
				return
			}
			printEvent(out, cli.NewPainter(cmd), e)
		}); err != nil {
			return err
		}
	}
}

// selects reports whether the flags select a decision.
func (f watchFlags) selects(e control.Event) bool {
	return (f.domain == "" || f.domain == e.Domain) &&
		(f.identity == "" || f.identity == e.Identity || f.identity == e.Name || f.identity == e.Login || f.identity == e.Principal) &&
		(f.key == "" || f.key == e.Key || f.key == e.Fingerprint) &&
		(f.address == "" || isSameAddress(f.address, e.Address))
}

// isSameAddress reports whether two texts are the same IP address.
func isSameAddress(a, b string) bool {
	first, errA := netip.ParseAddr(a)
	second, errB := netip.ParseAddr(b)
	return errA == nil && errB == nil && first.Unmap() == second.Unmap()
}

// gaps notices messages that were lost: the last number of each topic, by source.
type gaps map[string]uint64

// before returns how many messages of the topic were lost before this one.
func (g *gaps) before(topic string, e control.Event) (lost uint64) {
	if *g == nil || len(*g) > maxSources {
		*g = gaps{}
	}
	source := e.Host + " " + e.Endpoint + " " + topic
	if last := (*g)[source]; last > 0 && e.Sequence > last {
		lost = e.Sequence - last - 1
	}
	(*g)[source] = e.Sequence
	return lost
}

// maxSources bounds the topics and sources that watch remembers.
const maxSources = 10_000

// printEvent prints a decision for people.
func printEvent(out io.Writer, paint cli.Painter, e control.Event) {
	outcome := paint.Bad(fmt.Sprint(e.Status, " refused"))
	switch zap.Status(e.Status) {
	case zap.StatusOK:
		outcome = paint.Good(fmt.Sprint(e.Status, " admitted"))
	case zap.StatusTryLater:
		outcome = paint.Doubtful(fmt.Sprint(e.Status, " told to try later"))
	case zap.StatusError:
		outcome = paint.Bad(fmt.Sprint(e.Status, " failed"))
	}
	fmt.Fprintf(out, "%s %s %s", e.Time.Local().Format(time.TimeOnly), outcome, cli.Printable(cmp.Or(e.Identity, e.Name, e.Login, e.Principal, e.Fingerprint, e.Mechanism+" client")))
	for _, part := range []struct{ name, value string }{{"from", e.Address}, {"by", askedBy(monitor.Last{Asker: e.Asker, Domain: e.Domain})}} {
		if part.value != "" {
			fmt.Fprintf(out, " %s %s", part.name, part.value)
		}
	}
	if e.Reason != "" {
		fmt.Fprintf(out, ": %s", e.Reason)
	}
	if e.Rule != "" {
		fmt.Fprintf(out, " (%s)", e.Rule)
	}
	if e.Count > 1 {
		fmt.Fprintf(out, ", %s", count(int(e.Count), "time"))
	}
	fmt.Fprintln(out)
	for _, advice := range []string{e.Admit, e.Advice} {
		if advice != "" {
			fmt.Fprintf(out, "    %s\n", paint.Head(advice))
		}
	}
}
