package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/zap"
)

// exitStage is the exit code of probe for its first stage; those of the others follow.
const exitStage = 10

// prober holds the flags of probe.
type prober struct {
	cert, serverKey, login string
	passphraseFile         string
	expect, socketType     string
	timeout, wait          time.Duration
	asJSON                 bool
	bundle                 *cert.Certificate // nil without a bundle; cert names its file
}

func newProbe() *cobra.Command {
	var f prober
	cmd := &cobra.Command{
		Use:   "probe ENDPOINT|BUNDLE [--server-key KEY|FILE] [--cert FILE]",
		Short: "Connect step by step, and say why it fails",
		Long: `Probe connects to a ZeroMQ socket step by step. It says how far it came, why no
further, and what to do. Without keys, it ends when it knows the server's mechanism.
With --server-key, it checks that the server has this key. With --cert as well, it
checks that the server admits this client. Without --cert, it uses a new key. A
BUNDLE, as zcert bundle writes it, has both keys and the endpoints.

Probe connects as a REQ, SUB, PUSH or PUB, whichever fits, and sends no message. To
probe a PUSH, DEALER or PAIR, pass --type: such a socket may send a message to the
probe in place of another peer.

Probe ends within --timeout, whatever the peer does. With --wait, it tries again
while the server is not there, does not answer or can't decide. It does not try
again after a refusal, or with a wrong key or mechanism.

Probe exits 0 if all stages pass. If one fails, its exit code tells which:

  10  local       a certificate or key is not usable
  11  connect     no connection
  12  greeting    not ZMTP 3, or another mechanism than expected
  13  server key  the server does not have the secret key of the server key
  14  admission   the server does not admit the client
  15  peer        the server does not answer after the handshake`,
		Example: `  zcert probe tcp://192.0.2.1:5555
  zcert probe tcp://192.0.2.1:5555 --server-key service.key --cert alice.key_secret
  zcert probe alice.bundle
  zcert probe tcp://127.0.0.1:5555 --expect curve --wait 30s`,
		Args: cli.OneArg("ENDPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isBundle(args[0]) {
				return f.runBundle(cmd, args[0])
			}
			return f.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.serverKey, "server-key", "", "the server's public key: `KEY|FILE`")
	flags.StringVar(&f.cert, "cert", "", "connect with the secret key in `FILE`")
	flags.StringVar(&f.login, "login", "", "connect by PLAIN with the login in `FILE`")
	passphraseFlag(cmd, &f.passphraseFile)
	flags.StringVar(&f.expect, "expect", "", "fail unless the mechanism is `MECHANISM`: curve, plain or null")
	flags.StringVar(&f.socketType, "type", "", "connect as a socket of `TYPE`, such as PULL")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "end each try after `DURATION`")
	flags.DurationVar(&f.wait, "wait", 0, "try again for up to `DURATION`")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	cli.Exclusive(cmd, "login", "server-key")
	cli.Exclusive(cmd, "login", "cert")
	return cmd
}

func (f *prober) run(cmd *cobra.Command, at string) error {
	if err := endpoint.CheckDial(at); err != nil {
		return cli.Usage(err)
	}
	if f.timeout <= 0 || f.wait < 0 {
		return cli.Usagef("--timeout and --wait must not be negative, and --timeout not 0")
	}
	if expect := strings.ToUpper(f.expect); expect != "" && expect != zap.Curve && expect != zap.Plain && expect != zap.Null {
		return cli.Usagef("--expect %q: must be curve, plain or null", f.expect)
	}
	if f.socketType != "" && !sockettype.Known(strings.ToUpper(f.socketType)) {
		return cli.Usagef("--type %q: not a type of socket, such as PULL", f.socketType)
	}
	if f.cert != "" && f.serverKey == "" && f.bundle == nil {
		return cli.Hint(cli.Usagef("--cert requires --server-key"), "CURVE needs the server's public key: --server-key KEY|FILE")
	}
	cfg := probe.Config{Mechanism: zap.Null, Expect: strings.ToUpper(f.expect), SocketType: strings.ToUpper(f.socketType), Timeout: f.timeout}
	if err := f.load(cmd, &cfg); err != nil {
		return f.unusable(cmd, at, err)
	}
	if cfg.Mechanism == zap.Plain && !endpoint.IsLocal(at) {
		cli.Warn(cmd, "PLAIN sends the password unencrypted over the network")
	}
	return f.connect(cmd, at, cfg)
}

// unusable reports a certificate or key that can't be used.
func (f *prober) unusable(cmd *cobra.Command, at string, err error) error {
	report := probe.Unusable(strings.ReplaceAll(cli.Message(err), "\n", "; "), cli.HintOf(err))
	return cmp.Or(f.print(cmd, at, report), cli.WithCode(err, exitStage))
}

// pauseBetween is the time between two tries.
const pauseBetween = 200 * time.Millisecond

// connect tries to connect, and reports the last try.
func (f *prober) connect(cmd *cobra.Command, at string, cfg probe.Config) error {
	ctx := cmd.Context()
	deadline := time.Now().Add(f.wait)
	report := probe.Run(ctx, at, cfg)
	for report.Temporary && time.Until(deadline) > pauseBetween && ctx.Err() == nil {
		select {
		case <-time.After(pauseBetween):
			report = probe.Run(ctx, at, cfg)
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := f.print(cmd, at, report); err != nil {
		return err
	}
	if report.Mechanism == zap.Null && !endpoint.IsLocal(at) {
		cli.Warn(cmd, "%s is open to anyone, and not encrypted", at)
	}
	stage, failed := report.Failed()
	if !failed {
		return nil
	}
	result := report.Results[stage]
	err := fmt.Errorf("%s: %s: %s", cli.Subject(at), stage, result.Text)
	return cli.WithCode(cli.Hint(err, result.Hint), exitStage+int(stage))
}

// load reads the keys.
func (f *prober) load(cmd *cobra.Command, cfg *probe.Config) (err error) {
	if f.login != "" {
		in, err := open(cmd, f.login)
		if err != nil {
			return err
		}
		login, err := in.plain(cmd)
		if err != nil {
			return err
		}
		cfg.Mechanism, cfg.Username, cfg.Password = zap.Plain, login.Username, login.Password
		cfg.Local = "login " + cli.Printable(login.Username)
		return nil
	}
	if f.bundle != nil {
		cfg.ServerKey = f.bundle.Service.Key
		f.connectAs(cfg, f.bundle)
		return checkNow(f.bundle, f.cert)
	}
	if f.serverKey == "" {
		cfg.Local = "no key, no login"
		return nil
	}
	if cfg.ServerKey, err = loadPublicKey(cmd, f.serverKey); err != nil {
		return err
	}
	if f.cert != "" {
		return f.loadClient(cmd, cfg)
	}
	cfg.Mechanism, cfg.Key, cfg.IsNew = zap.Curve, curve.GenerateKey(), true
	cfg.Local = "a new key for this probe: " + cfg.Key.Public().String()
	cfg.Admit = "this is a new key: pass --cert to connect as a client that the server knows"
	return nil
}

// loadClient reads the client's certificate.
func (f *prober) loadClient(cmd *cobra.Command, cfg *probe.Config) error {
	c, err := loadSecret(cmd, f.cert, f.passphraseFile)
	if err != nil {
		return err
	}
	f.connectAs(cfg, c)
	return cmp.Or(checkNow(c, f.cert), checkPublic(cmd, strings.TrimSuffix(f.cert, cert.SecretSuffix), c))
}

// connectAs sets the client.
func (f *prober) connectAs(cfg *probe.Config, c *cert.Certificate) {
	public := strings.TrimSuffix(f.cert, cert.SecretSuffix)
	cfg.Mechanism, cfg.Key = zap.Curve, c.Secret
	cfg.Local = f.cert + ": key " + c.Public.String()
	if withoutBundle, ok := strings.CutSuffix(public, bundleSuffix); ok { // a bundle is secret, and stays here
		public = withoutBundle + publicSuffix
	}
	cfg.Admit = fmt.Sprintf("on the server's side: zauth admit %s --name %s; or, with its keystore: zcert store add dir:CLIENTS %s",
		c.Public.Fingerprint(), cli.Quote(nameOfFile(public)), cli.Quote(public))
}

// checkPublic checks the file of the public certificate, if there is one: an authority signs it,
// and not the secret one.
func checkPublic(cmd *cobra.Command, path string, secret *cert.Certificate) error {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	c, err := load(cmd, path)
	if err != nil {
		return err
	}
	if c.Public != secret.Public {
		err := fmt.Errorf("%s: another key than in %s", cli.Subject(path), path+cert.SecretSuffix)
		return cli.Hintf(err, "find the file that belongs to it, or write it again: zcert convert %s --to czmq", cli.Quote(path+cert.SecretSuffix))
	}
	return checkNow(c, path)
}

// checkNow checks that nothing is wrong with a certificate today.
func checkNow(c *cert.Certificate, file string) error {
	err := c.Check(time.Now())
	if err == nil {
		return nil
	}
	return cli.Hintf(fmt.Errorf("%s: %w", cli.Subject(file), err), "see zcert show %s, and make or sign a new one", cli.Quote(file))
}

// loadPublicKey returns the key of a certificate's file, or one that is given as text. The path of
// a file can be as long as a key.
func loadPublicKey(cmd *cobra.Command, keyOrFile string) (key curve.PublicKey, err error) {
	_, statErr := os.Stat(keyOrFile)
	if raw, err := parseKeyText(keyOrFile); err == nil && statErr != nil {
		copy(key[:], raw)
		if err := cert.CheckKey(key); err != nil {
			return key, cli.Hint(fmt.Errorf("server key: %w", err), "ask the server's operator for its public key")
		}
		return key, nil
	}
	c, err := load(cmd, keyOrFile)
	if err != nil {
		return key, err
	}
	return c.Public, checkNow(c, keyOrFile)
}

// probeJSON is a report.
type probeJSON struct {
	Endpoint   string         `json:"endpoint"`
	Stages     []stageJSON    `json:"stages"`
	Version    string         `json:"version,omitempty"`
	Mechanism  string         `json:"mechanism,omitempty"`
	SocketType string         `json:"socket_type,omitempty"`
	Metadata   []propertyJSON `json:"metadata,omitempty"`
	Connect    float64        `json:"connect_seconds,omitempty"`
	Handshake  float64        `json:"handshake_seconds,omitempty"`
	RoundTrip  float64        `json:"round_trip_seconds,omitempty"`
}

// stageJSON is a stage of a report.
type stageJSON struct {
	Stage   string `json:"stage"`
	Outcome string `json:"outcome"`
	Text    string `json:"text,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (f *prober) print(cmd *cobra.Command, at string, r *probe.Report) error {
	if f.asJSON {
		j := probeJSON{Endpoint: at, Version: r.Version, Mechanism: r.Mechanism, SocketType: r.SocketType,
			Connect: r.Connected.Seconds(), Handshake: r.Handshake.Seconds(), RoundTrip: r.RoundTrip.Seconds()}
		for s, result := range r.Results {
			j.Stages = append(j.Stages, stageJSON{probe.Stage(s).String(), string(result.Outcome), result.Text, result.Hint})
		}
		for _, p := range r.Metadata {
			j.Metadata = append(j.Metadata, propertyJSON{p.Name, p.Value})
		}
		return printJSON(cmd, j)
	}
	p := cli.NewPainter(cmd)
	paint := map[probe.Outcome]func(string) string{probe.OK: p.Good, probe.Failed: p.Bad, probe.NotReached: p.Doubtful}
	return cli.Print(cmd, func(out io.Writer) {
		fmt.Fprintln(out, cli.Printable(at))
		for s, result := range r.Results {
			fmt.Fprintf(out, "    %-10s  %s", probe.Stage(s), paint[result.Outcome](string(result.Outcome)))
			if result.Text != "" {
				fmt.Fprintf(out, "%*s%s", 13-len(result.Outcome), "", cli.Printable(result.Text))
			}
			fmt.Fprintln(out)
		}
	})
}
