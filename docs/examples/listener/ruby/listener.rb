# SPDX-License-Identifier: Apache-2.0
#
# A target of a NotificationEndpoint in Ruby: a Rack application, with nothing but the standard library. In a config.ru:
#
#   require_relative "listener"
#   run LISTENER

require "digest"
require "json"
require "set"
require "uri"

MAX_AGE = 30 * 24 * 3600 # as long as spec.receiver.retry.maxAge can be: what arrives late keeps its first timestamp
MAX_FUTURE = 5 * 60
MAX_BODY = 3 * 1024 * 1024

# The files of the mounted Secret, read anew each time: a key that is rotated arrives while the program runs.
def secrets(folder = ENV.fetch("SECRET_FOLDER", "/etc/cloudinary"))
  found = Dir.children(folder).filter_map do |name|
    next unless name == "CLOUDINARY_URL" || name == "api_secret" || name.start_with?("signing.")

    text = File.read(File.join(folder, name)).strip
    name == "CLOUDINARY_URL" ? URI.decode_www_form_component(URI.parse(text).password.to_s.gsub("+", "%2B")) : text
  end
  found.reject(&:empty?) # with an empty secret, anybody could sign
end

# Takes the same time wherever the difference is.
def same?(a, b)
  a.bytesize == b.bytesize && a.bytes.zip(b.bytes).reduce(0) { |difference, (x, y)| difference | (x ^ y) }.zero?
end

# How to answer: 200 for a genuine notification. body is the bytes as they came, not JSON that was decoded and encoded again.
def verify(timestamp, signature, body, keys, now = Time.now.to_i)
  algorithm = { 40 => Digest::SHA1, 64 => Digest::SHA256 }[signature.length]
  return 400 unless timestamp.match?(/\A[1-9][0-9]{9}\z/) && algorithm && signature.match?(/\A[0-9a-f]+\z/)

  matches = keys.map { |secret| same?(algorithm.hexdigest(body + timestamp.b + secret.b), signature) }
  return 503 unless matches.any? # perhaps a key that is still on its way here: a 4xx would make a dead letter of it

  age = now - timestamp.to_i
  age > MAX_AGE || age < -MAX_FUTURE ? 400 : 200
end

DONE = Set.new # keys of what was handled; keep them where they outlive the process, best in the transaction of the work

# Does the work. It may be called twice for one notification, after a crash in between.
def handle(notification)
  puts "#{notification["notification_type"]} #{notification["public_id"]}"
  $stdout.flush
end

def take(env)
  return env["PATH_INFO"] == "/healthz" ? 200 : 405 unless env["REQUEST_METHOD"] == "POST"

  body = env["rack.input"].read(MAX_BODY + 1).to_s.b
  return 413 if body.bytesize > MAX_BODY

  status = verify(env["HTTP_X_CLD_TIMESTAMP"].to_s, env["HTTP_X_CLD_SIGNATURE"].to_s, body, secrets)
  return status unless status == 200

  notification = JSON.parse(body)
  return 400 unless notification.is_a?(Hash)

  key = env["HTTP_IDEMPOTENCY_KEY"]
  unless key && DONE.include?(key)
    handle(notification)
    DONE.add(key) if key
  end
  200 # only now: the work is done
rescue JSON::ParserError
  400 # it never will be
end

LISTENER = lambda do |env|
  [take(env), {}, []]
rescue StandardError => e
  warn e.full_message
  [503, {}, []] # the receiver tries again
end
