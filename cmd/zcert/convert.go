package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

// errJSON means that a text is no JSON of a certificate.
var errJSON = errors.New("not the JSON of a certificate")

func newConvert() *cobra.Command {
	var to, from string
	var secret bool
	cmd := &cobra.Command{
		Use:   "convert FILE|- --to FORM",
		Short: "Write a key or certificate in another form",
		Long: `Convert reads a key or a certificate and prints it in another form. It reads the
files of zcert, czmq, pyzmq, goczmq and JeroMQ, JSON as it writes it itself, and a
bare key in Z85, hexadecimal, base64 or base64url; which it is, it sees by itself.
A bare key is taken for a public one, unless --from is secret-key.

Only what is public is printed, unless --secret is given.

  z85, hex, base64, base64url   the key alone, on one line
  czmq, pyzmq                   a certificate file
  json                          public_key, secret_key, metadata
  env                           for docker run --env-file, and systemd's EnvironmentFile
  shell                         export lines, for sh, bash and zsh
  systemd                       a drop-in for a unit
  compose                       the service's environment for Docker Compose
  kubernetes                    a Secret

The variables are ZMQ_CURVE_PUBLICKEY and ZMQ_CURVE_SECRETKEY, after libzmq's
options. Each form has the quoting that its reader wants.`,
		Example: `  zcert convert alice.key --to hex
  zcert convert service.key_secret --to kubernetes --secret | kubectl apply -f -
  echo "$KEY" | zcert convert - --from secret-key --to czmq --secret > old.key_secret`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"auto", "public-key", "secret-key"}, from) {
				return cli.Usagef("--from %q: want auto, public-key or secret-key", from)
			}
			write, ok := exports[to]
			if !ok {
				return cli.Usagef("--to %q: want one of %s", to, strings.Join(exportNames(), ", "))
			}
			in, err := open(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := in.anyKey(cmd, from)
			if err != nil {
				return err
			}
			if secret && c.Secret.IsZero() {
				err := fmt.Errorf("%s holds no secret key", in.path)
				switch {
				case c.Locked != nil:
					return cli.Hint(fmt.Errorf("%s: %w", in.path, cert.ErrLocked), "zcert unlock "+in.path)
				case strings.HasSuffix(in.path, publicSuffix):
					return cli.Hint(err, "the secret certificate is in "+in.path+cert.SecretSuffix)
				}
				return cli.Hint(err, "a bare secret key is read with --from secret-key")
			}
			if !secret {
				c.Secret.Wipe()
				c.Secret = curve.SecretKey{}
			}
			text, err := write(c)
			if err != nil {
				return err
			}
			defer clear(text)
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "the `FORM` to write")
	flags.StringVar(&from, "from", "auto", "what a bare key is: public-key or secret-key")
	flags.BoolVar(&secret, "secret", false, "print the secret key too")
	return cmd
}

// anyKey reads a key or certificate in whatever form it is in.
func (in input) anyKey(cmd *cobra.Command, from string) (*cert.Certificate, error) {
	text, err := in.read()
	if err != nil {
		return nil, err
	}
	trimmed := bytes.TrimSpace(text)
	var c *cert.Certificate
	switch {
	case bytes.HasPrefix(trimmed, []byte("{")):
		c, err = parseJSON(trimmed)
	case from != "auto" || !bytes.ContainsAny(trimmed, " \t\r\n"):
		c, err = parseBareKey(string(trimmed), from == "secret-key")
	default:
		return in.certificate(cmd)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.path, err)
	}
	return c, nil
}

// parseBareKey makes a certificate without metadata of a key.
func parseBareKey(text string, secret bool) (*cert.Certificate, error) {
	octets, err := parseKeyText(text)
	if err != nil {
		return nil, err
	}
	defer clear(octets)
	if secret {
		key, err := curve.NewSecretKey(octets)
		return &cert.Certificate{Public: key.Public(), Secret: key}, err
	}
	c := &cert.Certificate{Public: curve.PublicKey(octets)}
	return c, c.Public.Check()
}

// keyJSON is a certificate in JSON.
type keyJSON struct {
	Name      string          `json:"name,omitempty"`
	PublicKey string          `json:"public_key,omitempty"`
	SecretKey string          `json:"secret_key,omitempty"`
	Metadata  []shownProperty `json:"metadata,omitempty"`
}

// parseJSON reads what the form json is, and what zcert show --json prints.
func parseJSON(text []byte) (*cert.Certificate, error) {
	var j keyJSON
	if err := json.Unmarshal(text, &j); err != nil {
		var syntax *json.SyntaxError // other errors could quote a value
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%w: at offset %d: %v", errJSON, syntax.Offset, syntax)
		}
		return nil, fmt.Errorf("%w: want text in public_key and secret_key, and a list of name and value in metadata", errJSON)
	}
	key := j.SecretKey
	if key == "" {
		key = j.PublicKey
	}
	c, err := parseBareKey(key, j.SecretKey != "")
	if err != nil {
		return nil, err
	}
	if j.PublicKey != "" {
		public, err := parseBareKey(j.PublicKey, false)
		if err != nil {
			return nil, err
		}
		c.Public = public.Public
		if !c.Secret.IsZero() {
			if err := c.KeyPair().Check(); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range j.Metadata {
		c.Metadata = append(c.Metadata, cert.Property(p))
	}
	if len(j.Metadata) == 0 && j.Name != "" {
		c.Metadata.Set("name", j.Name)
	}
	return c, nil
}
