package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/form"
)

// errJSON means that a text is not a certificate in JSON.
var errJSON = errors.New("not a certificate in JSON")

func newConvert() *cobra.Command {
	var to, from, passphraseFile string
	var secret bool
	cmd := &cobra.Command{
		Use:   "convert FILE|- --to FORMAT",
		Short: "Convert a key or certificate to another format",
		Long: `Convert reads a key or a certificate and prints it in another format. It detects
the input format: a certificate of zcert, czmq or pyzmq, JSON as convert prints
it, or a bare key in Z85, hex, base64 or base64url. In JSON, metadata can also be
an object of names and values.

Convert reads a bare key as a public key unless you pass --from secret-key. Two
keys on two lines are a public key and its secret key.

Convert prints the public part only, unless you pass --secret. It then asks for the
passphrase of a locked key.

  z85, hex, base64, base64url   the key alone, on one line
  czmq, pyzmq                   a certificate file
  json                          key, secret_key and metadata
  env                           for docker run --env-file and systemd EnvironmentFile
  shell                         export lines, for sh, bash and zsh
  systemd                       a drop-in for a unit: with --secret it names the file
                                as a credential, and contains no secret itself
  compose                       the service's environment for Docker Compose
  kubernetes                    a Secret

The variables are ZMQ_CURVE_PUBLICKEY and ZMQ_CURVE_SECRETKEY. Each format is quoted
for its own reader. Do not use one in place of another: in a Docker Compose
env_file, for example, $ starts a variable.`,
		Example: `  zcert convert alice.key --to hex
  zcert convert alice.key_secret --to shell --secret > alice.sh
  zcert convert service.key_secret --to kubernetes --secret | kubectl apply -f -
  echo "$KEY" | zcert convert - --from secret-key --to czmq --secret > old.key_secret`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"auto", "public-key", "secret-key"}, from) {
				return cli.Usagef("--from %q: must be auto, public-key or secret-key", from)
			}
			write, ok := exports[to]
			switch names := strings.Join(exportNames(), ", "); {
			case to == "":
				return cli.Usagef("--to is required: one of %s", names)
			case !ok:
				return cli.Usagef("--to %q: unknown format, must be one of %s", to, names)
			}
			in, err := open(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := in.anyKey(cmd, from)
			if err != nil {
				return err
			}
			if secret && to == systemdForm {
				return writeSystemd(cmd, in, c)
			}
			if _, locked := c.Locked(); secret && locked {
				if err := unlockWith(cmd, in.path, passphraseFile, c.Unlock); err != nil {
					return err
				}
			}
			if secret && c.Secret.IsZero() {
				err := fmt.Errorf("%s: no secret key in this file", cli.Subject(in.path))
				if strings.HasSuffix(in.path, publicSuffix) {
					return cli.Hint(err, "use the secret certificate: "+cli.Quote(in.path+cert.SecretSuffix))
				}
				return cli.Hint(err, "to read a bare secret key, pass --from secret-key")
			}
			if secret {
				warnReadable(cmd)
			} else {
				public, err := publicOf(cmd, in.path, c)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				c = public
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
	flags.StringVar(&to, "to", "", "output `FORMAT` (required)")
	flags.StringVar(&from, "from", "auto", "read a bare key as `KIND`: public-key, secret-key or auto")
	flags.BoolVar(&secret, "secret", false, "include the secret key")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// anyKey parses the input as a key or certificate in any format.
func (in input) anyKey(cmd *cobra.Command, from string) (*cert.Certificate, error) {
	text, err := in.read()
	if err != nil {
		return nil, withPipeHint(cmd, in.path, err)
	}
	if len(text) > form.MaxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", in.path, form.MaxFile)
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, byteOrderMark))
	lines := bytes.Split(text, []byte("\n"))
	var c *cert.Certificate
	switch {
	// A key in Z85 can begin with a brace, and has no quote.
	case bytes.HasPrefix(text, []byte("{")) && bytes.ContainsRune(text, '"'):
		c, err = parseJSON(text)
	case from != "auto" || len(lines) == 1:
		c, err = parseBareKey(string(text), from == "secret-key")
	// The second line of a certificate is indented, or the third.
	case len(lines) == 2 && !bytes.ContainsAny(lines[1], " \t"):
		c, err = parseKeyPair(string(bytes.TrimSpace(lines[0])), string(lines[1]))
	default:
		return in.certificate(cmd)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cli.Subject(in.path), err)
	}
	if !c.Secret.IsZero() {
		return c, in.checkMode(cmd, "secret key")
	}
	return c, nil
}

// parseBareKey returns a certificate with this key and no metadata.
func parseBareKey(text string, secret bool) (*cert.Certificate, error) {
	raw, err := parseKeyText(text)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	if secret {
		key, err := curve.NewSecretKey(raw)
		return &cert.Certificate{Public: key.Public(), Secret: key}, err
	}
	c := &cert.Certificate{Public: curve.PublicKey(raw)}
	return c, c.Public.Check()
}

// errKeyPair means that the public key does not belong to the secret key.
var errKeyPair = errors.New("public key and secret key do not match")

// parseKeyPair returns a certificate with these keys, which must match, and no
// metadata.
func parseKeyPair(public, secret string) (*cert.Certificate, error) {
	p, err := parseBareKey(public, false)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	s, err := parseBareKey(secret, true)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	if s.Secret.Public() != p.Public {
		return nil, errKeyPair
	}
	p.Secret = s.Secret
	return p, nil
}

// keyJSON is a certificate with its secret key, if it has one.
type keyJSON struct {
	*certificateJSON
	SecretKey string `json:"secret_key,omitempty"`
}

// parsedJSON is the JSON that convert reads: keyJSON, and the names of earlier releases.
type parsedJSON struct {
	Identity  string       `json:"identity"`
	Name      string       `json:"name"`
	Key       string       `json:"key"`
	PublicKey string       `json:"public_key"`
	SecretKey string       `json:"secret_key"`
	Metadata  metadataJSON `json:"metadata"`
}

// metadataJSON is a list of names and values. It can also be parsed from an object,
// and is then sorted by name.
type metadataJSON []propertyJSON

// UnmarshalJSON parses a list or an object.
func (m *metadataJSON) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte("{")) {
		return json.Unmarshal(text, (*[]propertyJSON)(m))
	}
	var object map[string]string
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	*m = nil
	for _, name := range slices.Sorted(maps.Keys(object)) {
		*m = append(*m, propertyJSON{Name: name, Value: object[name]})
	}
	return nil
}

// parseJSON parses the format json, which is also what zcert show --json prints.
func parseJSON(text []byte) (*cert.Certificate, error) {
	var j parsedJSON
	if err := json.Unmarshal(text, &j); err != nil {
		// The errors of package json quote their input, which may be a secret.
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%w: invalid or truncated at offset %d", errJSON, syntax.Offset)
		}
		return nil, fmt.Errorf("%w: expected text in key and secret_key, and in metadata a list of name and value, or an object", errJSON)
	}
	c, err := j.keys()
	if err != nil {
		return nil, err
	}
	for _, p := range j.Metadata {
		c.Metadata = append(c.Metadata, struct{ Name, Value string }(p))
	}
	if name := cmp.Or(j.Identity, j.Name); name != "" && c.Name() == "" {
		c.Metadata.Set("name", name)
	}
	return c, nil
}

// keys returns a certificate with these keys and no metadata.
func (j *parsedJSON) keys() (*cert.Certificate, error) {
	public := cmp.Or(j.Key, j.PublicKey)
	switch {
	case public != "" && j.SecretKey != "":
		return parseKeyPair(public, j.SecretKey)
	case j.SecretKey != "":
		return parseBareKey(j.SecretKey, true)
	case public != "":
		return parseBareKey(public, false)
	}
	return nil, fmt.Errorf("%w: neither key nor secret_key", errJSON)
}
